#include "model/dit_quantization.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace wan {
namespace {

std::string refused(std::string_view words) {
  try {
    dit_quantization(words, "--quantize");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "nothing was refused";
}

TEST(DitQuantization, ReadsItsWordsInAnyOrderAndSaysThemInOne) {
  EXPECT_EQ(words_of(dit_quantization("ffn,qkv", "--quantize")), "qkv,ffn");
  EXPECT_EQ(words_of(dit_quantization("attention,cross,o", "--quantize")), "o,cross,attention");
  EXPECT_EQ(words_of(dit_quantization("scores", "--quantize")), "scores");
  EXPECT_TRUE(dit_quantization("scores", "--quantize").attends());
  EXPECT_FALSE(dit_quantization("qkv,o,cross,ffn", "--quantize").attends());
  EXPECT_FALSE(DitQuantization{}.any());
  EXPECT_EQ(words_of(DitQuantization{}), "");
}

TEST(DitQuantization, RefusesOtherWords) {
  using testing::HasSubstr;
  EXPECT_THAT(refused("ffn,head"), HasSubstr("--quantize: expected words of qkv,o,cross,ffn,scores,attention with"));
  EXPECT_THAT(refused("ffn,head"), HasSubstr("found 'head'"));
  EXPECT_THAT(refused(""), HasSubstr("found ''"));
  EXPECT_THAT(refused("ffn,"), HasSubstr("found ''"));
  EXPECT_THAT(refused("o,o"), HasSubstr("o is named twice"));
  EXPECT_THAT(refused("scores,attention"), HasSubstr("attention has scores in it"));
}

TEST(DitQuantization, LeavesTheOutermostBlocksAndSteps) {
  DitQuantization all = dit_quantization("qkv,o,cross,ffn,attention", "--quantize");
  EXPECT_TRUE(all.takes_block(0, 30));
  all.whole_blocks = 2;
  all.whole_steps = 1;
  EXPECT_FALSE(all.takes_block(1, 30));
  EXPECT_TRUE(all.takes_block(2, 30));
  EXPECT_TRUE(all.takes_block(27, 30));
  EXPECT_FALSE(all.takes_block(28, 30));
  EXPECT_FALSE(all.takes_step(0, 5));
  EXPECT_TRUE(all.takes_step(3, 5));
  EXPECT_FALSE(all.takes_step(4, 5));
  EXPECT_FALSE(DitQuantization{}.takes_block(3, 30));
}

}  // namespace
}  // namespace wan
