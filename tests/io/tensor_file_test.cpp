#include <gtest/gtest.h>
#include "io/tensor_file.h"
TEST(Probe, Reads) {
  auto f = wan::TensorFile::open(std::filesystem::path(WAN_FIXTURES) / "mini-ti2v-t2v/Wan2.2_VAE.pth");
  EXPECT_GT(f.tensors().size(), 10u);
}
