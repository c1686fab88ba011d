#include "pipeline/replay.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/flags.h"
#include "tensor/distance.h"

namespace wan {
namespace {

constexpr const char* kLatent = "sample_in";
constexpr const char* kVelocity = "noise_pred";

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what) {
  throw Error(ErrorKind::kInput,
              fmt::format("{}: {}; {} takes the --dump of a run with this request's size, frames, steps and shift",
                          path.string(), what, flags::kReplay));
}

/// The F32 tensor of that name and shape, in the file's memory.
TensorView tensor_of(const TensorFile& file, const std::string& name, const Shape& shape) {
  const StoredTensor* stored = file.find(name);
  if (stored == nullptr) refuse(file.path(), fmt::format("{} is missing", name));
  if (stored->shape != shape)
    refuse(file.path(),
           fmt::format("{} has shape {}, this request needs {}", name, stored->shape.text(), shape.text()));
  const TensorView view = file.view(*stored);
  if (view.dtype != DType::kF32 || !view.is_contiguous()) refuse(file.path(), fmt::format("{} is not plain F32", name));
  return view;
}

}  // namespace

Replay::Replay(Backend& backend, const Request& request, const Plan& plan) : backend_(backend), latent_(plan.latent) {
  if (request.replay.empty()) return;
  file_ = TensorFile::open(request.replay);
  const TensorView timesteps = tensor_of(*file_, "timesteps", {plan.steps});
  for (int step = 0; step < plan.steps; ++step) {
    const auto expected = static_cast<float>(plan.schedule.timesteps[static_cast<size_t>(step)]);
    const float found = timesteps.as<float>()[step];
    if (found != expected)
      refuse(file_->path(), fmt::format("step {} is of timestep {}, this request's of {}", step + 1, found, expected));
    stored(step, kLatent);
    stored(step, kVelocity);
  }
}

TensorView Replay::stored(int step, const char* what) const {
  return tensor_of(*file_, fmt::format("step{}.{}", step, what), latent_);
}

void Replay::feed(int step, TensorView x) const {
  if (is_on()) backend_.upload(stored(step, kLatent), x);
}

void Replay::judge(int step, TensorView velocity) {
  if (!is_on()) return;
  const Tensor value = backend_.download(velocity);
  steps_.push_back(compare_velocities(step, value, stored(step, kVelocity)));
}

ReplayedStep compare_velocities(int step, TensorView value, TensorView reference) {
  const Distance distance = distance_of(value.as<float>(), reference.as<float>(), value.shape.count());
  if (distance.difference == 0) return {step, 0, 1};  // also where both are zero
  require(distance.is_finite() && distance.a > 0 && distance.b > 0,
          fmt::format("step {}: a velocity is zero throughout or not finite, the replayed one or the reference's",
                      step + 1),
          ErrorKind::kRuntime);
  return {step, distance.relative_l2(), distance.cosine()};
}

}  // namespace wan
