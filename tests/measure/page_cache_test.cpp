// The page cache on a file of the test's own.
#include "measure/page_cache.h"

#include <sys/vfs.h>
#include <unistd.h>

#include <fstream>

#include <gtest/gtest.h>

#include "base/error.h"

namespace wan::measure {
namespace {

namespace fs = std::filesystem;

class PageCacheTest : public ::testing::Test {
 protected:
  PageCacheTest() : file_(fs::current_path() / ("page_cache_test_" + std::to_string(::getpid()))) {
    std::ofstream(file_) << std::string(size_t{4} << 20, 'x');
  }
  ~PageCacheTest() override { fs::remove(file_); }

  /// Only disk file systems known to let pages go on request; those in memory or of a sandbox need not.
  bool can_evict() const {
    constexpr long kExt = 0xEF53, kXfs = 0x58465342, kBtrfs = 0x9123683E;
    struct statfs facts {};
    if (::statfs(file_.c_str(), &facts) != 0) return false;
    return facts.f_type == kExt || facts.f_type == kXfs || facts.f_type == kBtrfs;
  }

  fs::path file_;
};

TEST_F(PageCacheTest, AFileJustReadIsHot) {
  read_through({file_});
  const Measured<double> share = share_resident({file_});
  ASSERT_TRUE(share.has()) << share.reason;
  EXPECT_EQ(share.value, 1.0);
  EXPECT_EQ(share.source, "mincore");
}

TEST_F(PageCacheTest, AnEvictedFileIsGoneUntilItIsReadAgain) {
  if (!can_evict()) GTEST_SKIP() << "this file system does not let pages go";
  evict({file_});
  const Measured<double> share = share_resident({file_});
  ASSERT_TRUE(share.has()) << share.reason;
  EXPECT_LE(*share.value, 0.01);
  read_through({file_});
  EXPECT_EQ(share_resident({file_}).value, 1.0);
}

TEST_F(PageCacheTest, NamesTheFileThatIsMissing) {
  EXPECT_THROW(read_through({file_ / "not"}), Error);
  EXPECT_THROW(evict({file_ / "not"}), Error);
}

TEST(PageCache, NoFilesHaveNoShare) { EXPECT_EQ(share_resident({}).reason, "no_files"); }

TEST(PageCache, IsCalledAfterWhatWasMeasured) {
  EXPECT_EQ(page_cache_of(measured(1.0, "mincore")), PageCache::kHot);
  EXPECT_EQ(page_cache_of(measured(0.995, "mincore")), PageCache::kHot);
  EXPECT_EQ(page_cache_of(measured(0.5, "mincore")), PageCache::kUnknown);
  EXPECT_EQ(page_cache_of(measured(0.005, "mincore")), PageCache::kEvicted);
  EXPECT_EQ(page_cache_of(absent<double>("not_owned")), PageCache::kUnknown);
}

}  // namespace
}  // namespace wan::measure
