// What may have been meant by a word that there is not.
#include "base/near_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(NearWords, CountsLettersThatAreWrong) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("generate", "generate"), 0u);
  EXPECT_EQ(edit_distance("genrate", "generate"), 1u) << "one left out";
  EXPECT_EQ(edit_distance("generrate", "generate"), 1u) << "one too many";
  EXPECT_EQ(edit_distance("gemerate", "generate"), 1u) << "another";
  EXPECT_EQ(edit_distance("genertae", "generate"), 1u) << "two swapped";
  EXPECT_EQ(edit_distance("ca", "abc"), 3u) << "no place is changed twice";
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(NearWords, OffersTheNearestAlone) {
  const std::vector<std::string> words = {"run", "report", "repeat", "--guidance-scale", "--guidance-scale-2"};
  EXPECT_THAT(near_words("reprot", words), ElementsAre("report"));
  EXPECT_THAT(near_words("repet", words), ElementsAre("repeat"));
  EXPECT_THAT(near_words("repoat", words), ElementsAre("report", "repeat")) << "as near: both";
  EXPECT_THAT(near_words("--guidance-scale-3", words), ElementsAre("--guidance-scale-2"));
  EXPECT_EQ(did_you_mean("repoat", words), ": did you mean report or repeat?");
}

TEST(NearWords, OffersNothingThatIsFar) {
  const std::vector<std::string> words = {"run", "diff", "generate", "a", ""};
  for (const char* word : {"", "x", "ruin it", "video", "xyz", "generator of", "difference"})
    EXPECT_THAT(near_words(word, words), IsEmpty()) << word;
  EXPECT_EQ(did_you_mean("video", words), "");
  EXPECT_THAT(near_words(std::string(100000, 'x'), words), IsEmpty()) << "and takes no time";
}

}  // namespace
}  // namespace wan
