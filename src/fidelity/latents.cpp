#include "fidelity/latents.h"

#include <cmath>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

std::string name_of_step(int step) { return fmt::format("step{}.sample_out", step); }

int count_steps(const TensorFile& file) {
  int count = 0;
  while (file.find(name_of_step(count)) != nullptr) ++count;
  require(count > 0,
          fmt::format("{}: expected the latents of steps, as `wanbench generate --dump` writes them, found no "
                      "tensor {}",
                      file.path().string(), name_of_step(0)));
  return count;
}

const float* values_of(const TensorFile& file, const TensorView& view, const std::string& name) {
  require(view.dtype == DType::kF32 && view.is_contiguous(),
          fmt::format("{}: {}: expected contiguous F32 as `wanbench generate --dump` writes it, found {}",
                      file.path().string(), name, name_of(view.dtype)));
  return static_cast<const float*>(view.data);
}

LatentStep compare(const float* reference, const float* test, int64_t count) {
  double difference = 0, norm_reference = 0, norm_test = 0, product = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double a = reference[i], b = test[i];
    difference += (b - a) * (b - a);
    norm_reference += a * a;
    norm_test += b * b;
    product += a * b;
  }
  if (!std::isfinite(difference + norm_reference + norm_test))
    return {0, no_score("not_finite"), no_score("not_finite")};
  LatentStep step;
  const bool has_length = norm_reference > 0 && norm_test > 0;
  step.relative_l2 =
      norm_reference > 0 ? scored(std::sqrt(difference / norm_reference)) : no_score("reference_is_zero");
  step.cosine = has_length ? scored(product / std::sqrt(norm_reference * norm_test)) : no_score("one_is_zero");
  return step;
}

}  // namespace

std::vector<LatentStep> compare_latents(const TensorFile& reference, const TensorFile& test) {
  const int count = count_steps(reference), found = count_steps(test);
  require(count == found,
          fmt::format("{}: expected {} steps as {} has, found {}: compare runs of one schedule", test.path().string(),
                      count, reference.path().string(), found),
          ErrorKind::kNotComparable);
  std::vector<LatentStep> steps;
  for (int i = 0; i < count; ++i) {
    const std::string name = name_of_step(i);
    const TensorView a = reference.view(name), b = test.view(name);
    require(a.shape == b.shape,
            fmt::format("{}: {}: expected shape {} as {} has, found {}: compare runs of one size and length",
                        test.path().string(), name, a.shape.text(), reference.path().string(), b.shape.text()),
            ErrorKind::kNotComparable);
    steps.push_back(compare(values_of(reference, a, name), values_of(test, b, name), a.count()));
    steps.back().step = i;
  }
  return steps;
}

}  // namespace wan
