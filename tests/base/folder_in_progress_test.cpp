// A folder that has its name only once it is whole.
#include "base/folder_in_progress.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "temporary_folder.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

class FolderInProgressTest : public testing::Test {
 protected:
  size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  const test::TemporaryFolder folder_;
  const fs::path target_ = folder_ / "whole";
};

TEST_F(FolderInProgressTest, HasItsNameOnceItIsFinished) {
  FolderInProgress growing(target_, 0);
  write_atomically(growing.path() / "a", "1");
  EXPECT_FALSE(fs::exists(target_));
  growing.finish();
  EXPECT_EQ(read_text(target_ / "a"), "1");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FolderInProgressTest, LeavesNothingWhereItIsNot) {
  {
    const FolderInProgress growing(target_, 0);
    write_atomically(growing.path() / "a", "1");
    EXPECT_EQ(entries(), 1u);
  }
  EXPECT_EQ(entries(), 0u);
}

TEST_F(FolderInProgressTest, TakesThePlaceOfAnEmptyFolderAlone) {
  fs::create_directory(target_);
  FolderInProgress growing(target_, 0);
  write_atomically(growing.path() / "a", "1");
  growing.finish();
  EXPECT_THROW(FolderInProgress(target_, 0), Error) << "it has a file now";
  EXPECT_THROW(FolderInProgress(target_ / "a", 0), Error) << "a file";
  EXPECT_EQ(read_text(target_ / "a"), "1");
  EXPECT_EQ(entries(), 1u);
}

}  // namespace
}  // namespace wan
