// stable-diffusion.cpp's server: POST /sdcpp/v1/vid_gen, then its job (examples/server/api.md there).
#pragma once

#include "load/adapter.h"

namespace wan::load {

std::unique_ptr<Adapter> make_sdcpp_adapter();

}  // namespace wan::load
