#include "fidelity/latents.h"

#include <fmt/format.h>

#include "base/error.h"
#include "io/tensor_file.h"
#include "tensor/distance.h"

namespace wan {
namespace {

std::string name_of_step(int step) { return fmt::format("step{}.sample_out", step); }

/// Those that a dump has, one behind the other; of its last one alone, that.
struct StepRange {
  int first = 0, end = 0;
  bool operator==(const StepRange&) const = default;
  std::string text() const {
    return first == 0 ? fmt::format("{} steps", end) : fmt::format("step {} alone", first + 1);
  }
};

StepRange steps_of(const TensorFile& file) {
  constexpr int kMost = 1000;  // that a request may have
  const auto has = [&](int step) { return file.find(name_of_step(step)) != nullptr; };
  StepRange range;
  while (range.first < kMost && !has(range.first)) ++range.first;
  range.end = range.first;
  while (has(range.end)) ++range.end;
  require(range.end > range.first,
          fmt::format("{}: expected the latents of steps, as `wanbench generate --dump` writes them, found no "
                      "tensor {}",
                      file.path().string(), name_of_step(0)));
  return range;
}

const float* values_of(const TensorFile& file, const TensorView& view, const std::string& name) {
  require(view.dtype == DType::kF32 && view.is_contiguous(),
          fmt::format("{}: {}: expected contiguous F32 as `wanbench generate --dump` writes it, found {}",
                      file.path().string(), name, name_of(view.dtype)));
  return static_cast<const float*>(view.data);
}

LatentStep compare(const float* reference, const float* test, int64_t count) {
  const Distance distance = distance_of(test, reference, count);
  if (!distance.is_finite()) return {0, no_score("not_finite"), no_score("not_finite")};
  const bool has_length = distance.a > 0 && distance.b > 0;
  return {0, distance.b > 0 ? scored(distance.relative_l2()) : no_score("reference_is_zero"),
          has_length ? scored(distance.cosine()) : no_score("one_is_zero")};
}

}  // namespace

std::vector<LatentStep> compare_latents(const TensorFile& reference, const TensorFile& test) {
  const StepRange range = steps_of(reference), found = steps_of(test);
  require(range == found,
          fmt::format("{}: expected {} as {} has, found {}: compare runs of one schedule", test.path().string(),
                      range.text(), reference.path().string(), found.text()),
          ErrorKind::kNotComparable);
  std::vector<LatentStep> steps;
  for (int i = range.first; i < range.end; ++i) {
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

std::vector<LatentStep> compare_latents(const std::filesystem::path& reference, const std::filesystem::path& test) {
  return compare_latents(TensorFile::open(reference), TensorFile::open(test));
}

}  // namespace wan
