#include "base/error.h"

#include <gtest/gtest.h>

namespace wan {
namespace {

TEST(Error, NamesAnOperationWithoutItsSignature) {
  EXPECT_EQ(operation_name("virtual void wan::cpu::Backend::conv3d(const wan::Conv&, std::span<float>)"), "conv3d");
  EXPECT_EQ(operation_name("void wan::cuda::{anonymous}::check_call(const Call&)"), "check_call");
  EXPECT_EQ(operation_name("const Row *wan::(anonymous namespace)::row_of(int (*)(int))"), "row_of");
  EXPECT_EQ(operation_name("wan::Dit::Dit(Config)"), "Dit");
  EXPECT_EQ(operation_name("main"), "main");
  EXPECT_EQ(operation_name(""), "");
}

void product() { require_op(false, "x must be a matrix"); }

TEST(Error, AContractThatIsBrokenNamesTheOperation) {
  try {
    product();
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "product: x must be a matrix");
    EXPECT_EQ(error.kind(), ErrorKind::kRuntime);
  }
}

}  // namespace
}  // namespace wan
