// The concrete solvers, for the factory alone.
#pragma once

#include <memory>

#include "sampler/sampler.h"

namespace wan {

std::unique_ptr<Sampler> make_unipc(const Schedule& schedule, const Shape& shape, Backend& backend);
std::unique_ptr<Sampler> make_dpmpp(const Schedule& schedule, const Shape& shape, Backend& backend);
std::unique_ptr<Sampler> make_euler(const Schedule& schedule, const Shape& shape, Backend& backend);
std::unique_ptr<Sampler> make_lcm(const Schedule& schedule, const Shape& shape, Backend& backend, NoiseSource& noise);

}  // namespace wan
