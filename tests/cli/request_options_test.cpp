// Every option of the table through the command line, and the command that repeats a run through the program itself.
#include "cli/request_options.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <CLI/CLI.hpp>

#include "../pipeline/option_samples.h"
#include "base/error.h"
#include "base/file.h"
#include "command_line.h"

namespace wan {
namespace {

using test::CommandLine;
using test::Ended;
using test::option_samples;
using test::OptionSample;
using test::Says;
using testing::HasSubstr;

/// The request that `generate` understands from these words.
Request parsed(std::vector<std::string> words) {
  CLI::App app;
  Request request;
  cli::add_request_options(app, request, cli::VideoFile::kYes);
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  app.parse(words);
  return cli::understand(request);
}

/// What is said when these words are refused.
std::string refusal(const std::vector<std::string>& words) {
  try {
    parsed(words);
  } catch (const CLI::ParseError& problem) {
    return problem.what();
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kUsage);
    return problem.what();
  }
  return "accepted";
}

TEST(RequestOptions, GoThroughTheCommandLine) {
  size_t seen = 0;
  for (const OptionSample& sample : option_samples()) {
    if (sample.flag.empty() || sample.form == Form::kSize) continue;
    std::vector<std::string> words;
    for (const std::string& text : sample.texts) words.insert(words.end(), {sample.flag, text});
    if (words.empty()) words = {sample.flag};
    if (sample.form == Form::kOff && (sample.text == "on" || sample.text == "false")) continue;
    if (sample.key == "random_weights")
      words.push_back(sample.text == "true" ? "random" : "checkpoint");
    else if (sample.form != Form::kOff && sample.texts.empty())
      words.push_back(sample.text);
    EXPECT_EQ(parsed(words), sample.request) << sample.flag << " " << sample.text;
    ++seen;
  }
  EXPECT_GT(seen, 40u);
}

TEST(RequestOptions, RefuseOnTheCommandLineWhatTheyCannotHold) {
  for (const test::Refused& refused : test::refused_numbers()) {
    if (refused.flag.empty() || refused.flag == "--size") continue;
    EXPECT_THAT(refusal({refused.flag, refused.number}),
                AllOf(Says(refused.flag + ": '" + refused.number), Says("' is not a ")));
    for (const char* almost : {"0x10", "+5", "5 ", "five", ""})
      EXPECT_THAT(refusal({refused.flag, almost}), Says(refused.flag)) << almost;
  }
  Request request;
  request_options(
      [&]<class T>(const Option& option, const T&, const auto&) {
        if constexpr (NamedEnum<T>) {
          const bool has_words = option.form == Form::kValue;
          EXPECT_THAT(refusal({std::string(option.flag), "x"}), Says(has_words ? "x not in {" : "")) << option.flag;
        }
      },
      request);
  EXPECT_THAT(refusal({"--model", "x"}), Says("x not in {ti2v-5B,"));
  EXPECT_THAT(refusal({"--weights", "x"}), Says("x not in {checkpoint,random}"));
  EXPECT_EQ(refusal({"--seed", "-1"}), "--seed: '-1' is not a whole number from 0 to 18446744073709551615");
  EXPECT_EQ(refusal({"--steps", "0"}), "--steps: '0' is not a whole number from 1 to 1000");
}

TEST(RequestOptions, SizeIsTwoOfThem) {
  Request request;
  request.width = 1280;
  request.height = 704;
  EXPECT_EQ(parsed({"--size", "1280x704"}), request);
  EXPECT_EQ(parsed({"--size", "1280*704"}), request);
  for (const char* size : {"-32x64", "64x-32", "0x64", "64x", "x64", "64", "64x4294967360", "16385x64", "64x64x64"})
    EXPECT_THAT(refusal({"--size", size}), Says("--size")) << size;
}

TEST(RequestOptions, TheOlderGuidanceKeepsItsMeaningAndNamesTheNewer) {
  Request older;
  older.guidance_low = 3.0;
  older.guidance_high = 4.5;
  testing::internal::CaptureStderr();
  EXPECT_EQ(parsed({"--guidance-scale", "3,4.5"}), older);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(Says("--guidance-scale 4.5 --guidance-scale-2 3 for a model with two experts"),
                    Says("--guidance-scale 3 for another")));
  testing::internal::CaptureStderr();
  Request newer;
  newer.guidance_scale = 4.5;
  newer.guidance_scale_2 = 3.0;
  EXPECT_EQ(parsed({"--guidance-scale", "4.5", "--guidance-scale-2", "3"}), newer);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(refusal({"--guidance-scale", "3,4.5", "--guidance-scale-2", "3"}), Says("leave out"));
  for (const char* text : {"3,", ",3", "3,4,5", "3;4", "nan", "inf,1"})
    EXPECT_THAT(refusal({"--guidance-scale", text}), Says("is not a number")) << text;
}

TEST(RequestOptions, ALimitOfGpuMemoryHasItsUnitOrIsInGiB) {
  EXPECT_EQ(parsed({"--gpu-memory-limit", "12"}).gpu_memory_limit, MemorySize{uint64_t{12} << 30});
  EXPECT_EQ(parsed({"--gpu-memory-limit", "16gb"}).gpu_memory_limit, MemorySize{16'000'000'000});
  for (const char* size : {"", "0", "-1", "12 GiB", "12KiB", "nan", "twelve"})
    EXPECT_THAT(refusal({"--gpu-memory-limit", size}), Says("--gpu-memory-limit: '")) << size;
}

TEST(RequestOptions, ARandomSeedIsDrawnAsANumber) {
  const uint64_t first = parsed({"--seed", "random"}).seed, second = parsed({"--seed", "random"}).seed,
                 third = parsed({"--seed", "random"}).seed;
  EXPECT_FALSE(first == second && second == third) << "by chance once in 2^64";
  EXPECT_THAT(refusal({"--seed", "Random"}), Says("'Random' is not a whole number"));
}

TEST(RequestOptions, CudaIsItsFirstCard) { EXPECT_EQ(parsed({"--device", "cuda"}).device, "cuda:0"); }

/// The words of the report's line that repeats a run, with the reader's own filled in.
std::string repeat_command(const std::string& report, const std::string& checkpoint) {
  std::istringstream lines(report);
  for (std::string line; std::getline(lines, line);) {
    const size_t begin = line.find("wanbench run --suite"), end = line.find("NEW_FOLDER");
    if (begin == std::string::npos || end == std::string::npos) continue;
    std::string command =
        line.substr(begin + std::string("wanbench ").size(), end - begin - std::string("wanbench ").size());
    const size_t place = command.find("CHECKPOINT");
    if (place != std::string::npos) command.replace(place, std::string("CHECKPOINT").size(), checkpoint);
    return command + "again --dry-run";
  }
  return "";
}

TEST_F(CommandLine, TheReportsCommandIsUnderstoodAndRepeatsTheWork) {
  std::filesystem::create_directories(folder_ / "suites");
  write_atomically(folder_ / "suites/tiny.json",
                   R"({"schema": "wanbench.suite", "format": 1, "name": "tiny", "version": "1", "cases": [
                       {"name": "a", "prompt": "x", "width": 32, "height": 32, "num_frames": 5, "steps": 1}]})");
  const Ended ran =
      run("run --suite suites/tiny.json --checkpoint " + checkpoint() +
          " --device cpu --gpus 2 --parallel auto --precision fp32 --warmups 1 --no-video --output first");
  ASSERT_EQ(ran.code, 0) << ran.output;
  const std::string again = repeat_command(read_text(folder_ / "first/report.md"), checkpoint());
  EXPECT_THAT(again, AllOf(Says("--case a"), Says("--device cpu --gpus 2 --parallel cfg=2,ulysses=1"),
                           Says("--precision fp32"), Says("--repeats 1 --warmups 1"), Says("--no-video")));
  const Ended dry = run(again);
  EXPECT_EQ(dry.code, 0) << again << "\n" << dry.output;
  EXPECT_THAT(dry.output, HasSubstr("a  32x32, 5 frames, 1 steps, unipc, device cpu"));
}

}  // namespace
}  // namespace wan
