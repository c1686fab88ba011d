// The tables of peaks and prices: what a foreign one may hold.
#include "analysis/tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kCard =
    R"("match": "x", "sm_count": 1, "peak_clock_mhz": 1, "bf16_tflops": 1, "tf32_tflops": null, "fp8_tflops": null,
       "memory_bandwidth_gb_per_s": 1)";

class TableFiles : public testing::Test {
 protected:
  std::string refusal(const std::string& text) {
    write_atomically(folder_ / "t.json", text);
    try {
      load_peaks(folder_ / "t.json");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      return error.what();
    }
    return "accepted";
  }
  std::string table(const std::string& cards) {
    return R"({"schema": {"name": "wanbench.peaks", "major": 1}, "cards": )" + cards + "}";
  }

  const test::TemporaryFolder folder_;
};

TEST_F(TableFiles, NamesTheFieldThatIsOfAnotherType) {
  const std::string card = kCard;
  EXPECT_EQ(refusal(table("[{" + card + R"(, "source": "s"}])")), "accepted");
  EXPECT_THAT(refusal(table("[{" + card + "}]")), HasSubstr("t.json: card 1: field 'source' is missing"));
  EXPECT_THAT(refusal(table("[{" + card + R"(, "source": 5}])")), HasSubstr("field 'source' must be text, found 5"));
  EXPECT_THAT(refusal(table("[5]")), HasSubstr("t.json: card 1"));
  EXPECT_THAT(refusal(table("{}")), HasSubstr("'cards'"));
  for (const char* text :
       {"", "[]", "null", "{", R"({"schema": 5, "cards": []})", R"({"schema": {"name": 1}, "cards": []})",
        R"({"schema": {"name": "wanbench.peaks", "major": "1"}, "cards": []})"})
    EXPECT_THAT(refusal(text), AllOf(HasSubstr("t.json"), Not(HasSubstr("json.exception")))) << text;
}

TEST_F(TableFiles, RefusesNumbersThatMeanNothing) {
  const auto with = [&](const std::string& key, const std::string& value) {
    std::string card = kCard;
    const size_t at = card.find("\"" + key + "\": ") + key.size() + 4;
    card.replace(at, card.find_first_of(",}", at) - at, value);
    return refusal(table("[{" + card + R"(, "source": "s"}])"));
  };
  EXPECT_THAT(with("sm_count", "1.5"), HasSubstr("sm_count"));
  EXPECT_THAT(with("sm_count", "-1"), HasSubstr("sm_count"));
  EXPECT_THAT(with("peak_clock_mhz", "1e300"), HasSubstr("peak_clock_mhz"));
  EXPECT_THAT(with("bf16_tflops", "-1"), HasSubstr("bf16_tflops"));
  EXPECT_THAT(with("tf32_tflops", "\"1\""), HasSubstr("tf32_tflops"));
}

}  // namespace
}  // namespace wan
