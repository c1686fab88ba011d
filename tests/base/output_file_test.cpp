#include "base/output_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "temporary_folder.h"

namespace {

std::vector<std::filesystem::path> synced;  // in their order

}  // namespace

/// In place of the C library's: what reaches the disk cannot be seen, what is asked of it can.
extern "C" int fsync(int descriptor) {
  synced.push_back(std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", descriptor)));
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

namespace wan {
namespace {

namespace fs = std::filesystem;

class OutputFile : public testing::Test {
 protected:
  void write(const fs::path& file, const std::string& text) const { std::ofstream(file) << text; }
  /// The number of a process that is gone.
  static pid_t gone() {
    SpawnOptions nothing;
    nothing.argv = {"true"};
    Subprocess child(nothing);
    child.wait();
    return child.pid();
  }
  /// As `writer` would name its part of `target`, on this machine.
  static fs::path part_of(const fs::path& target, pid_t writer) {
    std::string name = sibling_temporary(target).string();
    const std::string own = fmt::format(".{}.", ::getpid());
    return name.replace(name.rfind(own), own.size(), fmt::format(".{}.", writer));
  }
  /// What the target is found to be, or nothing.
  static std::string refusal(const fs::path& target, Devices devices = Devices::kRefuse) {
    try {
      require_output(target, devices);
      return "";
    } catch (const Error& problem) {
      EXPECT_EQ(problem.kind(), ErrorKind::kUsage);
      return problem.what();
    }
  }
  size_t files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {})); }

  const test::TemporaryFolder folder_;
};

TEST_F(OutputFile, ATargetIsARegularFileOrAbsent) {
  EXPECT_EQ(refusal(folder_ / "absent"), "");
  write(folder_ / "file", "x");
  EXPECT_EQ(refusal(folder_ / "file"), "");
  EXPECT_THAT(refusal(folder_), testing::HasSubstr("a folder"));
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(refusal(folder_ / "fifo"), testing::HasSubstr("a FIFO"));
  for (const char* leads_to : {"file", "nothing", "/dev/null"}) {
    fs::remove(folder_ / "link");
    fs::create_symlink(leads_to, folder_ / "link");
    EXPECT_THAT(refusal(folder_ / "link"), testing::HasSubstr("a link")) << leads_to;
  }
  EXPECT_THAT(refusal("/dev/null"), testing::HasSubstr("a device"));
  EXPECT_EQ(refusal("/dev/null", Devices::kWriteThrough), "");
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = (folder_ / "socket").string();
  ASSERT_LT(name.size(), sizeof address.sun_path);
  name.copy(address.sun_path, name.size());
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::close(socket);
  EXPECT_THAT(refusal(folder_ / "socket"), testing::HasSubstr("no regular file"));
}

TEST_F(OutputFile, WhatIsNotReplacedStaysAsItWas) {
  write(folder_ / "victim", "precious");
  fs::create_symlink("victim", folder_ / "link");
  EXPECT_THROW(write_atomically(folder_ / "link", "new"), Error);
  EXPECT_THROW(PartFile file(folder_ / "link"), Error);
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(read_text(folder_ / "victim"), "precious");
  EXPECT_EQ(files(), 2u);
}

TEST_F(OutputFile, ADeviceIsWrittenThroughOrRefusedNeverReplaced) {
  // Of the test's own: the machine's would be lost should this fail.
  const fs::path device = folder_ / "null";
  if (::mknod(device.c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0) GTEST_SKIP() << "devices are made by root alone";
  EXPECT_THROW(PartFile file(device), Error);
  try {
    write_atomically(device, "swallowed");
  } catch (const Error&) {  // a file system without devices
  }
  EXPECT_TRUE(fs::is_character_file(device));
  EXPECT_EQ(files(), 1u);
}

TEST_F(OutputFile, ALinkToADeviceIsWrittenThrough) {
  fs::create_symlink("/dev/full", folder_ / "full");
  fs::create_symlink("/dev/null", folder_ / "null");
  try {
    write_atomically(folder_ / "full", "x");
    ADD_FAILURE() << "a device that is full took it";
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), testing::HasSubstr("No space left"));
  }
  EXPECT_NO_THROW(write_atomically(folder_ / "null", "x"));
  EXPECT_EQ(fs::read_symlink(folder_ / "null"), "/dev/null");
  EXPECT_EQ(files(), 2u);
}

TEST_F(OutputFile, ATargetThatBecomesALinkMeanwhileIsNotReplaced) {
  write(folder_ / "victim", "precious");
  {
    PartFile file(folder_ / "out");
    fs::create_symlink("victim", folder_ / "out");
    EXPECT_THROW(file.finish(Sync::kOnDisk), Error);
  }
  EXPECT_TRUE(fs::is_symlink(folder_ / "out"));
  EXPECT_EQ(files(), 2u) << "the part was left behind";
}

TEST_F(OutputFile, APreparedLinkIsNotWrittenThrough) {
  write(folder_ / "victim", "precious");
  fs::create_symlink("victim", sibling_temporary(folder_ / "out"));
  write_atomically(folder_ / "out", "new");
  EXPECT_EQ(read_text(folder_ / "out"), "new");
  EXPECT_EQ(read_text(folder_ / "victim"), "precious");
}

TEST_F(OutputFile, TwoPartsOfOneTargetAreTwoFiles) {
  PartFile first(folder_ / "out"), second(folder_ / "out");
  EXPECT_NE(first.path(), second.path());
  ASSERT_EQ(::write(second.descriptor(), "2", 1), 1);
  first.finish(Sync::kCached);
  second.finish(Sync::kOnDisk);
  EXPECT_EQ(read_text(folder_ / "out"), "2");
  EXPECT_EQ(files(), 1u);
  EXPECT_THROW(second.finish(Sync::kCached), Error);
}

TEST_F(OutputFile, ReachesTheDiskBeforeItsNameAndThenItsNameDoes) {
  const fs::path folder = fs::canonical(folder_), part = sibling_temporary(folder / "out");
  synced.clear();
  write_atomically(folder / "out", "x");
  EXPECT_EQ(synced, (std::vector<fs::path>{part, folder}));
  synced.clear();
  sync_to_disk(folder / "out");
  EXPECT_EQ(synced, (std::vector<fs::path>{folder / "out", folder}));
  synced.clear();
  PartFile(folder / "out").finish(Sync::kCached);
  EXPECT_EQ(synced, std::vector<fs::path>{});
}

TEST_F(OutputFile, ANameAsLongAsAFileMayHaveCanBeWritten) {
  write_atomically(folder_ / std::string(255, 'n'), "x");
  EXPECT_THROW(write_atomically(folder_ / std::string(256, 'n'), "x"), Error);
  EXPECT_EQ(files(), 1u);
}

TEST_F(OutputFile, OptionsThatMeanOneFileAreRefused) {
  fs::create_directory(folder_ / "real");
  fs::create_symlink("real", folder_ / "alias");
  const auto same = [&](const fs::path& a, const fs::path& b) {
    try {
      require_distinct({{"--one", a}, {"--none", ""}, {"--two", b}});
      return false;
    } catch (const Error& problem) {
      EXPECT_EQ(problem.kind(), ErrorKind::kUsage);
      EXPECT_THAT(problem.what(), testing::AllOf(testing::HasSubstr("--one"), testing::HasSubstr("--two")));
      return true;
    }
  };
  EXPECT_TRUE(same(folder_ / "a", folder_ / "a"));
  EXPECT_TRUE(same("a.mp4", "./a.mp4"));
  EXPECT_TRUE(same("a", fs::current_path() / "b" / ".." / "a"));
  EXPECT_TRUE(same(folder_ / "real" / "a", folder_ / "alias" / "a"));
  EXPECT_TRUE(same(folder_ / "real", folder_ / "alias/"));
  EXPECT_FALSE(same(folder_ / "a", folder_ / "b"));
  EXPECT_FALSE(same("", ""));
  EXPECT_FALSE(same("/dev/null", "/dev/null")) << "both may be thrown away";
}

TEST_F(OutputFile, PartsOfProcessesThatAreGoneAreRemoved) {
  fs::create_directories(folder_ / "videos");
  const fs::path target = folder_ / "videos" / "one.cold.r1.mp4", left = part_of(target, gone());
  write(left, "half a video");
  write(target, "a video");
  EXPECT_EQ(remove_left_parts(folder_), 1);
  EXPECT_FALSE(fs::exists(left));
  EXPECT_EQ(read_text(target), "a video");
}

TEST_F(OutputFile, OtherPartsAreLeft) {
  const pid_t dead = gone();
  const fs::path target = folder_ / "out";
  const PartFile own(target);
  const fs::path of_parent = part_of(target, ::getppid()), locked = part_of(folder_ / "locked", dead),
                 link = part_of(folder_ / "link", dead);
  std::string elsewhere = part_of(target, dead).string();
  elsewhere.replace(elsewhere.size() - 13, 8, "0123abcd");  // another machine's digits
  for (const fs::path& file :
       {of_parent, locked, fs::path(elsewhere), folder_ / fmt::format("mine.{}.part", dead), folder_ / "holiday.part"})
    write(file, "x");
  fs::create_symlink("locked", link);
  const Descriptor held(::open(locked.c_str(), O_RDONLY));
  ASSERT_EQ(::flock(held.get(), LOCK_EX | LOCK_NB), 0);
  const size_t before = files();
  EXPECT_EQ(remove_left_parts(folder_), 0);
  EXPECT_EQ(files(), before);
}

TEST_F(OutputFile, WhoEndsTheProcessRemovesWhatIsUnfinished) {
  const auto leave = [&] {
    const PartFile part(folder_ / "video.mp4");
    UnfinishedFile frame(folder_ / "frame.png");
    write_atomically(frame.path(), "half a video");
    const UnfinishedFile moved(std::move(frame));
    { const UnfinishedFile kept(folder_ / "kept.png"); }
    write_atomically(folder_ / "kept.png", "a whole video");
    remove_unfinished_files();
    _exit(7);
  };
  EXPECT_EXIT(leave(), testing::ExitedWithCode(7), "");
  EXPECT_FALSE(fs::exists(folder_ / "frame.png"));
  EXPECT_TRUE(fs::exists(folder_ / "kept.png"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace wan
