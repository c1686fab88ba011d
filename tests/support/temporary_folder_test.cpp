#include "temporary_folder.h"

#include <gtest/gtest.h>

#include <fstream>

namespace wan::test {
namespace {

namespace fs = std::filesystem;

TEST(TemporaryFolder, IsNewEmptyAndGoneWithAllItHeld) {
  fs::path one, other;
  {
    const TemporaryFolder first, second;
    one = first;
    other = second;
    EXPECT_NE(one, other);
    EXPECT_TRUE(fs::is_empty(one));
    fs::create_directories(first / "a" / "b");
    std::ofstream(first / "a" / "b" / "file") << "x";
    EXPECT_TRUE(fs::exists(one / "a" / "b" / "file"));
  }
  EXPECT_FALSE(fs::exists(one));
  EXPECT_FALSE(fs::exists(other));
}

TEST(TemporaryFolder, AFolderThatIsGoneAlreadyIsNoError) {
  fs::path path;
  {
    const TemporaryFolder folder;
    path = folder;
    fs::remove(path);
  }
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace wan::test
