#include "base/file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/hash.h"
#include "temporary_folder.h"

namespace wan {
namespace {

class FileTest : public testing::Test {
 protected:
  const test::TemporaryFolder folder_;
};

TEST_F(FileTest, WritesAtomicallyAndReadsBack) {
  write_atomically(folder_ / "a.txt", "one");
  write_atomically(folder_ / "a.txt", "two");
  EXPECT_EQ(read_text(folder_ / "a.txt"), "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1) << "a temporary was left behind";
}

TEST_F(FileTest, RefusesWhatIsMissingTooLargeOrNoFile) {
  EXPECT_THROW(MappedFile(folder_ / "none"), Error);
  EXPECT_THROW(MappedFile{folder_}, Error);
  write_atomically(folder_ / "b", "0123456789");
  EXPECT_THROW(read_text(folder_ / "b", 9), Error);
  EXPECT_THROW(write_atomically(folder_ / "no" / "such" / "folder", "x"), Error);
}

TEST_F(FileTest, FindsAnUnwritableFolderAndAFullDiskBeforeTheRun) {
  EXPECT_NO_THROW(require_writable(folder_ / "new", 1));
  EXPECT_THROW(require_writable(folder_, UINT64_MAX), Error);
  write_atomically(folder_ / "plain", "x");
  EXPECT_THROW(require_writable(folder_ / "plain" / "below", 0), Error);
}

TEST(Sha256, MatchesThePublishedVectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace wan
