#include "base/file.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/hash.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using ::testing::HasSubstr;

/// What reading the file is refused with.
std::string refusal(const std::filesystem::path& path) {
  try {
    read_text(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    return error.what();
  }
  return "accepted";
}

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

// A pipe without a writer would be waited for without end.
TEST_F(FileTest, NamesWhatIsThereInPlaceOfAFile) {
  const std::filesystem::path pipe = folder_ / "pipe", socket_file = folder_ / "socket";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_file.c_str(), sizeof(address.sun_path) - 1);
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ::close(descriptor);
  EXPECT_THAT(refusal(pipe), HasSubstr("pipe is not a regular file but a pipe"));
  EXPECT_THAT(refusal(socket_file), HasSubstr("a socket"));
  EXPECT_THAT(refusal(folder_ / "."), HasSubstr("a folder"));
  EXPECT_THAT(refusal("/dev/zero"), HasSubstr("a device"));
}

TEST_F(FileTest, NamesAPointerInPlaceOfAFile) {
  const std::string lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 123456\n";
  write_atomically(folder_ / "lfs", lfs);
  write_atomically(folder_ / "annex", "/annex/objects/SHA256E-s9--0.safetensors\n");
  write_atomically(folder_ / "about", "a text about " + lfs);
  EXPECT_THAT(refusal(folder_ / "lfs"), HasSubstr("git lfs pull"));
  EXPECT_THAT(refusal(folder_ / "annex"), HasSubstr("git annex get"));
  EXPECT_EQ(refusal(folder_ / "about"), "accepted");
}

TEST_F(FileTest, PassesOverAByteOrderMark) {
  write_atomically(folder_ / "utf8", "\xEF\xBB\xBF{}");
  write_atomically(folder_ / "mark", "\xEF\xBB\xBF");
  write_atomically(folder_ / "utf16", std::string("\xFF\xFE{\0}\0", 6));
  EXPECT_EQ(read_text(folder_ / "utf8"), "{}");
  EXPECT_EQ(read_text(folder_ / "mark"), "");
  EXPECT_THAT(refusal(folder_ / "utf16"), HasSubstr("UTF-16"));
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
