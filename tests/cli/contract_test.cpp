// The command line as scripts see it: exit codes, messages that say how to mend things, and nothing left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "command_line.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using test::CommandLine;
using test::Ended;
using test::Says;
using testing::AllOf;
using testing::HasSubstr;

TEST_F(CommandLine, HelpAndVersionSucceed) {
  EXPECT_THAT(run("--version").output, Says("wanbench 0."));
  for (const char* command :
       {"", "generate", "run", "report", "diff", "fidelity", "inspect", "plan", "compare", "doctor", "load"}) {
    const Ended ended = run(std::string(command) + " --help");
    EXPECT_EQ(ended.code, 0) << command;
    EXPECT_THAT(ended.output, Says("Usage")) << command;
  }
}

TEST_F(CommandLine, StartsInLittleMemoryAndWithoutNvidiasLibraries) {
  SpawnOptions options;
  options.argv = {std::string(WAN_BINARY_DIR) + "/wanbench", "--version"};
  const ExitState ended = Subprocess(options).wait();
  EXPECT_EQ(ended.exit_code, 0);
  constexpr uint64_t kMiB = 1 << 20;
  EXPECT_LT(ended.peak_rss_bytes, (WAN_SANITIZED ? 1024 : 64) * kMiB);  // a sanitizer shadows all memory

  ASSERT_EQ(::setenv("LD_DEBUG", "files", 1), 0);
  const std::string loaded = run("--version").output;
  ::unsetenv("LD_DEBUG");
  ASSERT_THAT(loaded, Says("libstdc++.so"));
  for (const char* library : {"libcuda", "libcudart", "libcublas", "libcudnn", "libnvrtc", "libnvidia-ml", "libcupti"})
    EXPECT_THAT(loaded, testing::Not(Says(std::string(library) + ".so"))) << library;
}

TEST_F(CommandLine, DoctorFitsEightyColumns) {
  constexpr size_t kLabel = 25;
  std::istringstream lines(run("doctor").output);
  for (std::string line; std::getline(lines, line);)
    EXPECT_TRUE(line.size() <= 80 || line.find(' ', kLabel) == std::string::npos) << line;  // a path may be longer
}

TEST_F(CommandLine, RefusesBadUsageBeforeAnyWork) {
  const std::pair<const char*, const char*> cases[] = {
      {"--sizes 3", "--sizes"},
      {"--num-frames 6", "4n+1"},
      {"--size 100x64", "multiples of 32"},
      {"--size 96", "WIDTHxHEIGHT"},
      {"--precision bf16", "fp32"},
      {"--device tpu", "cpu, cuda"},
      {"--solver magic", "unipc"},
      {"--guidance-scale five", "not a number"},
      {"--guidance-scale-2 3", "two experts"},
      {"--seed -1", "'-1' is not a whole number from 0"},
      {"--steps 4294967299", "'4294967299' is not a whole number from 1 to 1000"},
      {"--image nothing.png", "nothing.png"},
      {"--last-image nothing.png", "takes no last frame"},
      {"--boundary 0.5", "two experts"},
      {"--output /proc/none/video.mp4", "/proc/none"},
  };
  for (const auto& [flag, message] : cases) {
    const std::string output = std::string(flag).find("--output") == std::string::npos ? " --output v.mp4" : "";
    const Ended ended =
        run("generate --checkpoint " + checkpoint() + " --prompt x " +
            (std::string(flag).find("--device") == std::string::npos ? "--device cpu " : "") + flag + output);
    EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kUsage)) << flag << "\n" << ended.output;
    EXPECT_THAT(ended.output, Says(message)) << flag;
  }
  EXPECT_EQ(files(), 0u) << "a refused request left something behind";
}

TEST_F(CommandLine, RefusesToReplaceAnotherNvtxTool) {
  if (!std::filesystem::exists(std::string(WAN_BINARY_DIR) + "/libwanbench_nvtx.so"))
    GTEST_SKIP() << "built without the NVTX headers";
  ::setenv("NVTX_INJECTION64_PATH", "/another/tool.so", 1);
  const Ended refused = run("run --engine command --command true --output results");
  ::unsetenv("NVTX_INJECTION64_PATH");
  EXPECT_EQ(refused.code, static_cast<int>(ExitCode::kUsage)) << refused.output;
  EXPECT_THAT(refused.output, Says("NVTX_INJECTION64_PATH is set to /another/tool.so"));
  EXPECT_EQ(files(), 0u);
}

/// How idle threads wait is this program's own affair, and the user's.
TEST_F(CommandLine, OpenMpSettingsReachNoOtherProgram) {
  for (const char* name : {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}) ::unsetenv(name);
  const std::string command = "--engine command --command 'env >environment' --device cpu --case 01_Text_To_Video";
  run("run " + command + " --no-video --output results");
  const std::string environment = read_text(folder_ / "environment");
  EXPECT_THAT(environment, AllOf(Says("PATH="), Not(Says("GOMP_")), Not(Says("WANBENCH_OPENMP"))));
  ::setenv("GOMP_SPINCOUNT", "77", 1);
  run("run " + command + " --no-video --output again");
  ::unsetenv("GOMP_SPINCOUNT");
  EXPECT_THAT(read_text(folder_ / "environment"), Says("GOMP_SPINCOUNT=77"));
}

TEST_F(CommandLine, SaysWhereACheckpointCanBeHad) {
  const Ended ended = run("inspect missing");
  EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kUsage));
  EXPECT_THAT(ended.output, Says("Wan-AI/Wan2.2-TI2V-5B"));
  EXPECT_THAT(ended.output, Says("hf download"));
  EXPECT_THAT(run("inspect " + checkpoint()).output, Says("TI2V"));
}

TEST_F(CommandLine, FilesOfOtherProgramsAreNamedByEveryCommandThatTakesACheckpoint) {
  write_atomically(folder_ / "dit.gguf", std::string("GGUF\3\0\0\0", 8) + std::string(16, '\0'));
  std::filesystem::create_directories(folder_ / "diffusers");
  write_atomically(folder_ / "diffusers/model_index.json", R"({"_class_name":"FluxPipeline","x":"\u001b[2J"})");
  for (const char* command : {"inspect ", "generate --prompt x --discard --device cpu --checkpoint ", "pack ",
                              "run --device cpu --output results --checkpoint "})
    for (const auto& [name, what] :
         {std::pair("dit.gguf", "a single GGUF file"), {"diffusers", "a diffusers folder of another model"}}) {
      const Ended ended = run(std::string(command) + name + (command == std::string("pack ") ? " packed" : ""));
      EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kUsage)) << command << ended.output;
      EXPECT_THAT(ended.output, AllOf(Says(std::string(name) + " is " + what), HasSubstr("\n  found: "),
                                      HasSubstr("\n  not read: "), HasSubstr("\n  to do: ")))
          << command;
    }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "packed"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "results"));
}

TEST_F(CommandLine, InspectShowsTheModelCard) {
  EXPECT_THAT(run("inspect " + checkpoint()).output, Says("licence: not said"));
  std::filesystem::copy(checkpoint(), folder_ / "carded", std::filesystem::copy_options::recursive);
  const auto card = folder_ / "carded/README.md";
  write_atomically(card, "---\ntags: [x]\nlicense: apache-2.0\n---\n# A name\n\nWhat it \x1b[31mis.\n");
  EXPECT_THAT(run("inspect carded").output, HasSubstr("licence: apache-2.0\n\n# A name\n\n  What it \\x1b[31mis.\n"));
  write_atomically(card, "# No front matter\n\n---\nlicense: none of it\n---\n");
  EXPECT_THAT(run("inspect carded").output, HasSubstr("licence: not said in README.md\n\n# No front matter"));
  write_atomically(card, "---\nlicense: mit\n---\n" + std::string(7000, 'x'));
  const Ended longer = run("inspect carded");
  EXPECT_THAT(longer.output, HasSubstr("licence: mit\nmodel card: carded/README.md\n"));
  EXPECT_THAT(longer.output, testing::Not(Says("xxxx")));
}

TEST_F(CommandLine, WhatComesWithTheProgramIsThere) {
  const std::filesystem::path share = WAN_BINARY_DIR "/share/wanbench";
  const Ended ended = run("inspect " + (share / "checkpoint").string());
  EXPECT_THAT(ended.output, HasSubstr("licence: apache-2.0\n\n# shapes-ti2v"));
  EXPECT_TRUE(std::filesystem::is_regular_file(share / "tokenizer/tokenizer.json"));
  EXPECT_TRUE(std::filesystem::is_regular_file(share / "suites/yellow-cross.png"));
}

TEST_F(CommandLine, NamesTensorsThatAreMissing) {
  std::filesystem::copy(checkpoint(), folder_ / "broken", std::filesystem::copy_options::recursive);
  // A text encoder where the VAE should be.
  std::filesystem::copy_file(folder_ / "broken/models_t5_umt5-xxl-enc-bf16.pth", folder_ / "broken/Wan2.2_VAE.pth",
                             std::filesystem::copy_options::overwrite_existing);
  const Ended ended = run("inspect broken");
  EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kUsage));
  EXPECT_THAT(ended.output, Says("Wan2.2_VAE.pth"));
}

TEST_F(CommandLine, GeneratesAndComparesDumps) {
  EXPECT_EQ(run(small_video("--dump a.safetensors")).code, 0);
  EXPECT_EQ(run(small_video("--dump b.safetensors --seed 43")).code, 0);
  EXPECT_EQ(run("diff a.safetensors a.safetensors --require-all --max-relative 0").code, 0);
  const Ended differs = run("diff a.safetensors b.safetensors");
  EXPECT_EQ(differs.code, static_cast<int>(ExitCode::kComparison));
  EXPECT_THAT(differs.output, Says("first over 0.0001: noise"));
  EXPECT_EQ(run("diff a.safetensors b.safetensors --prefix-a nothing").code, static_cast<int>(ExitCode::kComparison));
}

TEST_F(CommandLine, ReplayedStepsRefuteAClass) {
  ASSERT_EQ(run(small_video("--dump a.safetensors")).code, 0);
  const Ended same = run(small_video("--replay a.safetensors --discard"));
  EXPECT_EQ(same.code, 0) << same.output;
  EXPECT_THAT(same.output, HasSubstr("replay  0 % at most, in step 1: exact allows 0.01 %"));
  const Ended other = run(small_video("--replay a.safetensors --discard --guidance-scale 2"));
  EXPECT_EQ(other.code, static_cast<int>(ExitCode::kComparison));
  EXPECT_THAT(other.output, Says("but exact allows 0.01 %"));
  const Ended document = run(small_video("--replay a.safetensors --discard --json --guidance-scale 2 2> told"));
  EXPECT_THAT(document.output, AllOf(Says("\"precision_class\": \"exact\""), Says("\"holds\": false")));
  EXPECT_THAT(run(small_video("--replay a.safetensors --seeds 1,2")).output, Says("--replay is of one video"));
  EXPECT_THAT(run(small_video("--replay a.safetensors --dump ./a.safetensors --force")).output, Says("--replay"));
}

TEST_F(CommandLine, OneSeedGivesOneVideo) {
  const auto hash = [&](const std::string& output) {
    const size_t at = output.find("frames' sha256 ");
    return at == std::string::npos ? output : output.substr(at, 79);
  };
  const std::string first = hash(run(small_video("--discard")).output);
  EXPECT_THAT(first, Says("sha256"));
  EXPECT_EQ(first, hash(run(small_video("--discard --vae-chunk 2 --vae-slice 3")).output))
      << "pieces of decoding must not matter";
  EXPECT_NE(first, hash(run(small_video("--discard --seed 43")).output));
}

/// What a warm video of a measured case costs includes its text encoding, whatever the engine could keep.
TEST_F(CommandLine, ACaseEncodesTheTextOfEveryVideo) {
  const std::string request = R"({"checkpoint":")" + checkpoint() +
                              R"(","prompt":"x","width":64,"height":64,"num_frames":5,"steps":1,"device":"cpu"})";
  const Ended ended = run("case --pipe-fd 1 --start-ns 1 --videos 2 --request '" + request + "'");
  EXPECT_EQ(ended.code, 0) << ended.output;
  std::istringstream lines(ended.output);
  int encodings = 0;
  for (std::string line; std::getline(lines, line);) encodings += line.find("weights.text_encoder") != line.npos;
  EXPECT_EQ(encodings, 2) << ended.output;
}

TEST_F(CommandLine, RefusesOutputsThatMustNotBeReplacedBeforeAnyWork) {
  const auto in_folder = [&](const std::string& command) {
    ASSERT_EQ(std::system(("cd " + folder_.string() + " && " + command).c_str()), 0) << command;
  };
  in_folder("mkdir taken.mp4 && echo precious > victim && ln -s victim link.mp4 && mkfifo fifo.mp4 && touch plain");
  for (const char* flags :
       {"--output taken.mp4", "--output link.mp4", "--output fifo.mp4", "--dump fifo.mp4", "--dump taken.mp4",
        "--dump link.mp4", "--frames plain", "--output z.mp4 --dump z.mp4", "--output z.mp4 --dump ./z.mp4",
        "--output z.mp4 --frames z.mp4", "--dump d/z --output d/../d/z"}) {
    const Ended ended = run(small_video(flags));
    EXPECT_EQ(ended.code, 2) << flags << ": " << ended.output;
    EXPECT_THAT(ended.output, testing::Not(Says("memory_plan"))) << flags << ": work had begun";
  }
  EXPECT_EQ(read_text(folder_ / "victim"), "precious\n");
  EXPECT_EQ(run("export nothing --output taken.mp4").code, 2);
  EXPECT_THAT(run("export nothing --output taken.mp4").output, Says("a folder"));
  EXPECT_THAT(run("tune --device cpu --output link.mp4").output, Says("a link"));
}

TEST_F(CommandLine, ASignalBeforeTheFirstRunIsAnsweredLikeAnyOther) {
  write_atomically(folder_ / "s.json", R"({"schema":"wanbench.suite","format":1,"name":"s","version":"1","cases":[
      {"name":"c","prompt":"x","device":"cpu","width":32,"height":32,"num_frames":5,"steps":1}]})");
  SpawnOptions spawn;
  spawn.argv = {std::string(WAN_BINARY_DIR) + "/wanbench",
                "run",
                "--dry-run",
                "--suite",
                "s.json",
                "--output",
                "o",
                "--checkpoint",
                checkpoint()};
  spawn.folder = folder_;
  // A process that was given its time slice meanwhile may have come to its end: then again.
  for (int attempt = 0; attempt < 50; ++attempt) {
    Subprocess child(spawn);
    const fs::path status = fs::path("/proc") / std::to_string(child.pid()) / "status";
    bool held = false;
    while (!held && !child.poll()) {
      std::ifstream lines(status);
      for (std::string line; std::getline(lines, line);)
        if (line.starts_with("SigBlk:")) held = (std::stoull(line.substr(7), nullptr, 16) >> (SIGTERM - 1) & 1) != 0;
    }
    if (!held) continue;
    child.signal_group(SIGTERM);
    const ExitState end = child.wait();
    ASSERT_EQ(end.signal, 0);
    if (end.exit_code == 0) continue;
    EXPECT_EQ(end.exit_code, 143);
    std::string said;
    read_available(child.err(), said);
    EXPECT_THAT(said, Says("interrupted; nothing was run"));
    return;
  }
  FAIL() << "no signal was held before the plan was made";
}

/// A `generate` that takes hours, in the test's folder; its words go to `said` until it has begun a step.
std::unique_ptr<Subprocess> long_work(const fs::path& folder, const std::string& checkpoint,
                                      const std::vector<std::string>& more, std::string& said) {
  SpawnOptions spawn;
  spawn.argv = {std::string(WAN_BINARY_DIR) + "/wanbench",
                "generate",
                "--yes",
                "--device",
                "cpu",
                "--checkpoint",
                checkpoint,
                "--prompt",
                "x",
                "--steps",
                "50"};
  spawn.argv.insert(spawn.argv.end(), more.begin(), more.end());
  spawn.folder = folder;
  auto child = std::make_unique<Subprocess>(spawn);
  while (said.find("step 1/50") == std::string::npos) {
    pollfd wait{child->err().get(), POLLIN, 0};
    ::poll(&wait, 1, -1);
    if (!read_available(child->err(), said)) break;
  }
  return child;
}

TEST_F(CommandLine, ASignalStopsTheRunAndLeavesNoPartialVideo) {
  std::string said;
  const auto child =
      long_work(folder_.path(), checkpoint(), {"--size", "640x640", "--num-frames", "81", "--output", "v.mp4"}, said);
  child->signal_group(SIGTERM);
  EXPECT_EQ(child->wait().exit_code, 143);
  read_available(child->err(), said);
  EXPECT_THAT(said, Says("stopping; a second Ctrl-C ends at once"));
  EXPECT_EQ(files(), 0u);
}

TEST_F(CommandLine, ASignalEndsAStepThatTakesHours) {
  std::string said;
  const auto child =
      long_work(folder_.path(), checkpoint(),
                {"--size", "1280x704", "--num-frames", "121", "--output", "v.mp4", "--frames", "f"}, said);
  child->signal_group(SIGINT);
  EXPECT_EQ(child->wait().exit_code, 130);
  read_available(child->err(), said);
  EXPECT_THAT(said, Says("no unfinished file is left"));
  EXPECT_FALSE(fs::exists(folder_ / "v.mp4"));
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) EXPECT_TRUE(entry.is_directory()) << entry;
}

TEST_F(CommandLine, AStepThatIsCutOffLeavesItsDocument) {
  std::string said, document;
  const auto child = long_work(folder_.path(), checkpoint(),
                               {"--size", "1280x704", "--num-frames", "121", "--discard", "--json"}, said);
  child->signal_group(SIGINT);
  EXPECT_EQ(child->wait().exit_code, 130);
  read_available(child->out(), document);
  const auto json = nlohmann::json::parse(document);
  EXPECT_EQ(json.at("schema").at("name"), "wanbench.generate");
  EXPECT_THAT(document, Says("interrupted"));
}

TEST_F(CommandLine, ASecondSignalEndsAtOnce) {
  std::string said;
  const auto child =
      long_work(folder_.path(), checkpoint(), {"--size", "1280x704", "--num-frames", "121", "--output", "v.mp4"}, said);
  child->signal_group(SIGINT);
  while (said.find("stopping") == std::string::npos) {
    pollfd wait{child->err().get(), POLLIN, 0};
    ::poll(&wait, 1, -1);
    ASSERT_TRUE(read_available(child->err(), said)) << said;
  }
  child->signal_group(SIGTERM);
  EXPECT_EQ(child->wait().exit_code, 143);
  EXPECT_EQ(files(), 0u);
}

}  // namespace
}  // namespace wan
