// Names of videos, and what is there already.
#include "cli/generate_outputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "temporary_folder.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

TEST(NameOfVideo, HasTheFirstWordsInSafeLetters) {
  EXPECT_EQ(name_of_video("A cat, on a skateboard!", 42), "a-cat-on-a-skateboard-42");
  EXPECT_EQ(name_of_video("../../etc/passwd\n\x1b[31m", 1), "etc-passwd-31m-1");
  EXPECT_EQ(name_of_video("", 7), "video-7");
  EXPECT_EQ(name_of_video("猫", 7), "video-7");
  EXPECT_EQ(name_of_video("--- .hidden", 0), "hidden-0");
  EXPECT_EQ(name_of_video(std::string(3000, 'x'), 5), std::string(40, 'x') + "-5");
  EXPECT_EQ(name_of_video("one two three four five six seven eight nine ten", 5),
            "one-two-three-four-five-six-seven-eight-5");
  EXPECT_EQ(name_of_video("short " + std::string(3000, 'x'), 5), "short-5") << "words are not cut";
}

TEST(UnusedFile, IsNumberedWhereTheNameIsTaken) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(unused_file(folder.path(), "a"), folder / "a.mp4");
  write_atomically(folder / "a.mp4", "x");
  fs::create_symlink("nowhere", folder / "a-2.mp4");
  EXPECT_EQ(unused_file(folder.path(), "a"), folder / "a-3.mp4");
}

TEST(NamesFolder, EndsWithASlash) {
  EXPECT_TRUE(names_folder("a/"));
  for (const char* path : {"", "a", "a/b.mp4", "."}) EXPECT_FALSE(names_folder(path)) << path;
}

std::string refusal(const Request& request, Existing existing) {
  try {
    require_outputs(request, existing);
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kUsage);
    return problem.what();
  }
  return "accepted";
}

TEST(RequireOutputs, KeepsWhatIsThereUnlessForced) {
  const test::TemporaryFolder folder;
  Request video, dump, frames;
  video.output = folder / "v.mp4";
  dump.dump = folder / "d.safetensors";
  frames.frames = folder / "frames";
  for (const Request& request : {video, dump, frames}) EXPECT_EQ(refusal(request, Existing::kRefused), "accepted");
  write_atomically(video.output, "x");
  write_atomically(dump.dump, "x");
  fs::create_directories(frames.frames);
  write_atomically(frames.frames / "notes.txt", "x");
  EXPECT_EQ(refusal(frames, Existing::kRefused), "accepted") << "no frame is there";
  write_atomically(frames.frames / "frame_00007.png", "x");
  EXPECT_THAT(refusal(video, Existing::kRefused),
              AllOf(HasSubstr("--output"), HasSubstr("v.mp4"), HasSubstr("--force")));
  EXPECT_THAT(refusal(dump, Existing::kRefused), AllOf(HasSubstr("--dump"), HasSubstr("--force")));
  EXPECT_THAT(refusal(frames, Existing::kRefused),
              AllOf(HasSubstr("--frames"), HasSubstr("1 frames"), HasSubstr("--force")));
  for (const Request& request : {video, dump, frames}) EXPECT_EQ(refusal(request, Existing::kReplaced), "accepted");
}

TEST(RequireOutputs, TakesOnlyNamesOfMp4) {
  Request request;
  for (const char* name : {"v.gif", "v.webm", "v"}) {
    request.output = name;
    EXPECT_THAT(refusal(request, Existing::kReplaced), AllOf(HasSubstr(".mp4"), HasSubstr("--frames"))) << name;
  }
}

TEST(RequireOutputs, NeverMeanTheLastImageWhichMayBeTheFirst) {
  const test::TemporaryFolder folder;
  write_atomically(folder / "a.png", "x");
  Request request;
  request.image = request.last_image = folder / "a.png";
  EXPECT_EQ(refusal(request, Existing::kReplaced), "accepted");
  request.dump = folder / "." / "a.png";
  request.image.clear();
  EXPECT_THAT(refusal(request, Existing::kReplaced), AllOf(HasSubstr("--dump"), HasSubstr("--last-image")));
  request.last_image.clear();
  request.audio = request.pose_video = folder / "a.png";  // a film may be both
  EXPECT_THAT(refusal(request, Existing::kReplaced), AllOf(HasSubstr("--dump"), HasSubstr("--audio")));
  request.audio.clear();
  EXPECT_THAT(refusal(request, Existing::kReplaced), HasSubstr("--pose-video"));
  request.pose_video.clear();
  request.animate_inputs = folder.path();  // with all that lies there
  EXPECT_THAT(refusal(request, Existing::kReplaced), AllOf(HasSubstr("--dump"), HasSubstr("--animate-inputs")));
}

TEST(RemoveLaterFrames, LeavesThoseOfTheVideoAndOtherFiles) {
  const test::TemporaryFolder folder;
  for (const char* name : {"frame_00000.png", "frame_00004.png", "frame_00005.png", "frame_123456.png", "frame_x.png",
                           "frame_00009.txt", "frame_-0001.png"})
    write_atomically(folder / name, "x");
  remove_later_frames(folder.path(), 5);
  for (const char* name : {"frame_00000.png", "frame_00004.png", "frame_x.png", "frame_00009.txt", "frame_-0001.png"})
    EXPECT_TRUE(fs::exists(folder / name)) << name;
  for (const char* name : {"frame_00005.png", "frame_123456.png"}) EXPECT_FALSE(fs::exists(folder / name)) << name;
}

}  // namespace
}  // namespace wan::cli
