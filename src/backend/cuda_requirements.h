// What this build's CUDA module was linked with. Made by CMake from cuda_requirements.cpp.in.
#pragma once

#include <filesystem>
#include <vector>

#include "backend/cuda_module.h"

namespace wan {

std::vector<LibraryRequirement> cuda_requirements();
/// Where the module is once installed, as seen from the program's folder, and where the configuration had it.
std::vector<std::filesystem::path> installed_cuda_modules();

}  // namespace wan
