// Which cards compiled code runs on, by NVIDIA's rules of compatibility.
#include "backend/card_code.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace wan {
namespace {

bool runs(std::string_view architectures, int major, int minor) {
  return !why_no_code(architectures, {major, minor, "A card"});
}

TEST(CardCode, MachineCodeRunsOnItsMajorVersionFromItsMinorOneOn) {
  EXPECT_TRUE(runs("80", 8, 0));
  EXPECT_TRUE(runs("80-real", 8, 6));
  EXPECT_TRUE(runs("80", 8, 9));
  EXPECT_FALSE(runs("89", 8, 6));
  EXPECT_FALSE(runs("80", 9, 0));
  EXPECT_TRUE(runs("90", 9, 0));
  EXPECT_FALSE(runs("90", 8, 0));
  EXPECT_TRUE(runs("100", 10, 3));
  EXPECT_FALSE(runs("100", 12, 0));
  EXPECT_TRUE(runs("120", 12, 1));
}

TEST(CardCode, OfOneVersionAloneRunsThereAlone) {
  EXPECT_TRUE(runs("90a", 9, 0));
  EXPECT_FALSE(runs("100a-real", 10, 3));
  EXPECT_FALSE(runs("90a-virtual", 10, 0));
  EXPECT_FALSE(runs("90a", 8, 0));
}

TEST(CardCode, OfAFamilyRunsInItsMajorVersion) {
  EXPECT_TRUE(runs("100f", 10, 3));
  EXPECT_FALSE(runs("103f", 10, 0));
  EXPECT_FALSE(runs("100f-virtual", 12, 0));
}

TEST(CardCode, PtxRunsOnEveryLaterCard) {
  EXPECT_TRUE(runs("80-virtual", 9, 0));
  EXPECT_TRUE(runs("80-virtual", 12, 0));
  EXPECT_FALSE(runs("90-virtual", 8, 9));
  EXPECT_FALSE(runs("89-virtual", 8, 6));
}

TEST(CardCode, AnyOfTheListWillDo) {
  EXPECT_TRUE(runs("80,90a", 9, 0));
  EXPECT_TRUE(runs("90a,80", 8, 6));
  EXPECT_FALSE(runs("80,90a", 10, 0));
}

TEST(CardCode, SaysWhatItIsForWhatTheCardIsAndWhatToBuild) {
  EXPECT_EQ(why_no_code("90a", {8, 9, "NVIDIA L40S"}).value(),
            "built for sm_90a, this card is sm_89 (NVIDIA L40S): rebuild with -DCMAKE_CUDA_ARCHITECTURES=89");
  EXPECT_EQ(
      why_no_code("80-real,90-virtual", {7, 5, "Tesla T4"}).value(),
      "built for sm_80, compute_90 (PTX), this card is sm_75 (Tesla T4): rebuild with -DCMAKE_CUDA_ARCHITECTURES=75");
  EXPECT_EQ(why_no_code("80", {9, 0, "NVIDIA H200"}).value(),
            "built for sm_80, this card is sm_90 (NVIDIA H200): rebuild with -DCMAKE_CUDA_ARCHITECTURES=90a");
}

TEST(CardCode, RefusesAListThatIsNone) {
  for (const char* list : {"", "80,", "sm_80", "9", "80x", "80-", "native", "80;90"})
    EXPECT_THROW(why_no_code(list, {8, 0, "A card"}), Error) << list;
}

}  // namespace
}  // namespace wan
