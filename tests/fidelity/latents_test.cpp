#include "fidelity/latents.h"

#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "io/tensor_file.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Latents : public testing::Test {
 protected:
  /// Steps of a dump.
  TensorFile dump(const std::string& name, const std::vector<std::vector<float>>& steps) const {
    std::vector<SafetensorsWriter::Declared> declared;
    for (size_t i = 0; i < steps.size(); ++i)
      declared.push_back(
          {"step" + std::to_string(i) + ".sample_out", DType::kF32, {static_cast<int64_t>(steps[i].size())}});
    SafetensorsWriter writer(folder_ / name, declared);
    for (const auto& step : steps) writer.write(std::as_bytes(std::span(step)));
    writer.finish();
    return TensorFile::open(folder_ / name);
  }
  static std::string refusal_of(const TensorFile& a, const TensorFile& b, ErrorKind kind) {
    try {
      compare_latents(a, b);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind);
      return error.what();
    }
    return "nothing was refused";
  }

  const test::TemporaryFolder folder_;
};

TEST_F(Latents, AreComparedStepByStep) {
  const auto steps = compare_latents(dump("a", {{3, 4}, {1, 0}, {0, 0}}), dump("b", {{3, 4.5F}, {0, 2}, {1, 1}}));
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_NEAR(*steps[0].relative_l2.value, 0.1, 1e-12);
  EXPECT_NEAR(*steps[0].cosine.value, 27 / (5 * std::sqrt(29.25)), 1e-12);
  EXPECT_NEAR(*steps[1].relative_l2.value, std::sqrt(5.0), 1e-12);
  EXPECT_EQ(steps[1].cosine, scored(0));
  EXPECT_EQ(steps[2].relative_l2, no_score("reference_is_zero"));
  EXPECT_EQ(steps[2].cosine, no_score("one_is_zero"));
  EXPECT_EQ(steps[2].step, 2);
}

TEST_F(Latents, OfTheLastStepAloneAreComparedAsThat) {
  const auto last = [&](const std::string& file, int step, float value) {
    SafetensorsWriter writer(folder_ / file, {{"step" + std::to_string(step) + ".sample_out", DType::kF32, {1}}});
    writer.write(std::as_bytes(std::span(&value, 1)));
    writer.finish();
    return TensorFile::open(folder_ / file);
  };
  const TensorFile a = last("a", 11, 2), b = last("b", 11, 3), shorter = last("c", 9, 3);
  const auto steps = compare_latents(a, b);
  ASSERT_EQ(steps.size(), 1u);
  EXPECT_EQ(steps[0].step, 11);
  EXPECT_NEAR(*steps[0].relative_l2.value, 0.5, 1e-12);
  EXPECT_THAT(refusal_of(a, shorter, ErrorKind::kNotComparable),
              AllOf(HasSubstr("expected step 12 alone"), HasSubstr("found step 10 alone")));
}

TEST_F(Latents, ThatAreNotFiniteHaveNoNumber) {
  const auto steps = compare_latents(dump("a", {{1, 2}}), dump("b", {{1, std::numeric_limits<float>::quiet_NaN()}}));
  EXPECT_EQ(steps[0].relative_l2, no_score("not_finite"));
  EXPECT_EQ(steps[0].cosine, no_score("not_finite"));
}

TEST_F(Latents, OfAnotherScheduleOrShapeAreRefused) {
  const TensorFile a = dump("a", {{1, 2}, {3, 4}}), shorter = dump("b", {{1, 2}}),
                   wider = dump("c", {{1, 2}, {3, 4, 5}});
  EXPECT_THAT(refusal_of(a, shorter, ErrorKind::kNotComparable),
              AllOf(HasSubstr("expected 2 steps"), HasSubstr("found 1")));
  EXPECT_THAT(refusal_of(a, wider, ErrorKind::kNotComparable), HasSubstr("step1.sample_out: expected shape"));
  EXPECT_THAT(refusal_of(dump("d", {}), a, ErrorKind::kInput), HasSubstr("no tensor step0.sample_out"));
}

}  // namespace
}  // namespace wan
