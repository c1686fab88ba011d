#include "suite/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace wan::suite {
namespace {

measure::TreeReading reading() {
  measure::TreeReading own;
  own.at_ns = 9'007'199'254'740'993;  // not a double
  own.cpu_ns = 5;
  own.memory.high_water = 7;
  own.disk_read_bytes = 8;
  return own;
}

TEST(Protocol, EveryMessageGoesThereAndBack) {
  const StageId step{StageRole::kStepInference, 3, "high_noise", "Step_3_Inference"};
  const StageId decoding = stage_from_name("VAE_Decoding");
  const auto begin = std::get<Begin>(decode(encode(Begin{step, 10, reading()})));
  EXPECT_EQ(begin.stage, step);
  EXPECT_EQ(begin.own.at_ns, 9'007'199'254'740'993);
  EXPECT_EQ(begin.own.memory.high_water, 7u);
  const auto span = std::get<StageSpan>(decode(encode(StageSpan{decoding, "h2d", true, 1, 2, UINT64_MAX, 1.5e15})));
  EXPECT_TRUE(span.hidden);
  EXPECT_EQ(span.bytes, UINT64_MAX);
  EXPECT_EQ(span.flops, 1.5e15);
  EXPECT_FALSE(span.gpu_ns);
  const auto timed =
      std::get<StageSpan>(decode(encode(StageSpan{step, "", false, 1, 9, 0, 0, 8, 0, int64_t{1} << 60})));
  EXPECT_EQ(timed.gpu_ns, 8);
  EXPECT_EQ(timed.exposed_copy_ns, 0);
  EXPECT_EQ(timed.hidden_copy_ns, int64_t{1} << 60);
  const auto memory = std::get<Memory>(decode(encode(Memory{decoding, {{"weights.vae", 3}}, {{"pinned", 4}}})));
  EXPECT_EQ(memory.device_bytes.at("weights.vae"), 3u);
  EXPECT_EQ(memory.host_bytes.at("pinned"), 4u);
  EXPECT_FALSE(memory.device_peak_bytes);
  EXPECT_EQ(std::get<Memory>(decode(encode(Memory{decoding, {}, {}, 9}))).device_peak_bytes, 9u);
  const auto range = std::get<Range>(decode(encode(Range{"a range", 77, 1, 3, 4})));
  EXPECT_EQ(range.name, "a range");
  EXPECT_EQ(range.thread, 77);
  EXPECT_EQ(range.end_ns - range.begin_ns + range.depth, 2);
  const auto state = std::get<CounterState>(decode(encode(CounterState{"SM: a", "why"})));
  EXPECT_EQ(state.names + state.reason, "SM: awhy");
  const auto batch = std::get<Counters>(decode(encode(Counters{{7, {{1, 2, 0.5, std::nullopt, 0.25}}}}))).batch;
  EXPECT_EQ(batch.seen_ns, 7);
  ASSERT_EQ(batch.samples.size(), 1u);
  EXPECT_EQ(batch.samples[0].end_ns, 2);
  EXPECT_EQ(batch.samples[0].sm, 0.5);
  EXPECT_FALSE(batch.samples[0].tensor);
  EXPECT_EQ(batch.samples[0].dram, 0.25);
  EXPECT_EQ(std::get<Fact>(decode(encode(Fact{"a\nb", "c\"d"}))).key, "a\nb");
  EXPECT_EQ(std::get<Finished>(decode(encode(Finished{"ti2v", 96, 64, 13, 24, 5, "ff", reading()}))).num_frames, 13);
  Finished reused{"ti2v", 96, 64, 13, 24, 2, "ff", reading()};
  EXPECT_FALSE(std::get<Finished>(decode(encode(reused))).forwards) << "a program that is not ours says none";
  reused.forwards = ForwardCounts{absent<int64_t>("decided_while_running"), 3, 1, "Cr", "CC", 2.5e15, 1e15};
  EXPECT_EQ(std::get<Finished>(decode(encode(reused))).forwards, reused.forwards);
  Decided decided;
  decided.execution.residency = "stream";
  decided.execution.timesteps = {999, 0.5};
  decided.predicted_peak_bytes = UINT64_MAX;
  const auto told = std::get<Decided>(decode(encode(decided)));
  EXPECT_EQ(told.execution, decided.execution);
  EXPECT_EQ(told.predicted_peak_bytes, UINT64_MAX);
  EXPECT_EQ(std::get<ClockTied>(decode(encode(ClockTied{-3, 4}))).residual_ns, -3);
  EXPECT_EQ(std::get<ClockTied>(decode(encode(ClockTied{-3, 4}))).uncertainty_ns, 4);
  const KernelTrace trace{"cupti_activity", "", 3, {{"Step_*", 2, 100, 10, {}, {}, 0, 0}}, "why"};
  KernelEvents events;
  events.stages = "Step_1";
  events.names = {{"gemm", KernelKind::kGemm}};
  events.device = {{10, 20, 0, {}, 7, 1, 0}};
  const auto kernels = std::get<Kernels>(decode(encode(Kernels{trace, events})));
  EXPECT_EQ(kernels.trace, trace);
  EXPECT_EQ(kernels.events, events);
  const auto failure = std::get<Failure>(decode(encode(Failure{"out_of_memory", "m", "w", "a", 10, std::nullopt})));
  EXPECT_EQ(failure.requested_bytes, 10u);
  EXPECT_FALSE(failure.free_bytes);
  EXPECT_EQ(std::get<NextVideo>(decode(encode(NextVideo{2, reading()}))).index, 2);
  EXPECT_EQ(std::get<Hello>(decode(encode(Hello{}))).protocol, kProtocolVersion);
}

TEST(Protocol, AProgramThatIsNotOursSaysTheNameAlone) {
  const auto span = std::get<StageSpan>(
      decode(R"({"type": "span", "stage": "Step_2_Loading", "index": 7, "component": "", "hidden": false,
                 "begin_ns": 1, "end_ns": 2, "bytes": 0, "flops": 0})"));
  EXPECT_EQ(span.stage, (StageId{StageRole::kStepLoading, 2, "", "Step_2_Loading"}));
  const auto begin =
      std::get<Begin>(decode(R"({"type": "begin", "stage": "warm up", "index": -1, "steps": 0, "own": {"at_ns": 5}})"));
  EXPECT_EQ(begin.stage, (StageId{StageRole::kOther, -1, "", "warm up"}));
  EXPECT_THROW(decode(R"({"type": "begin", "stage": "a", "role": "chef", "index": -1, "expert": "", "steps": 0,
                          "own": {"at_ns": 5}})"),
               Error);
}

TEST(Protocol, ALineIsOneLineWhateverTheTextHolds) {
  const std::string line = encode(Failure{"runtime", "two\nlines and \xff no UTF-8", "", "", {}, {}});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(std::get<Failure>(decode(line)).message.substr(0, 10), "two\nlines ");
}

TEST(Protocol, RefusesWhatItDoesNotKnow) {
  EXPECT_THROW(decode("{"), Error);
  EXPECT_THROW(decode("[]"), Error);
  EXPECT_THROW(decode(R"({"type": "song"})"), Error);
  EXPECT_THROW(decode(R"({"type": "fact", "key": "k"})"), Error);
  EXPECT_THROW(decode(R"({"type": "counters", "seen_ns": 1, "samples": [[1, 2]]})"), Error);
  EXPECT_THROW(decode(R"({"type": "fact", "key": "k", "value": 5})"), Error);
}

/// Numbers are taken as they are or not at all: none is cut, wrapped or rounded.
TEST(Protocol, ANumberOutsideWhatItMeansIsRefusedByName) {
  const std::string spans = R"({"type":"span","stage":"a","component":"","hidden":false,"begin_ns":%,"end_ns":9,)"
                            R"("bytes":0,"flops":0})";
  const std::string memory = R"({"type":"memory","stage":"a","device_bytes":{"x":%},"host_bytes":{}})";
  const std::string counters = R"({"type":"counters","seen_ns":%,"samples":[]})";
  const std::string rows = R"({"type":"counters","seen_ns":1,"samples":[[%,2,null,null,null]]})";
  const std::string shares = R"({"type":"counters","seen_ns":1,"samples":[[1,2,%,null,null]]})";
  const std::string range = R"({"type":"range","thread":1,"depth":%,"begin_ns":1,"end_ns":2,"name":"a"})";
  const std::string begin = R"({"type":"begin","stage":"a","steps":%,"own":{"at_ns":5}})";
  const std::string own = R"({"type":"begin","stage":"a","steps":1,"own":{"at_ns":%}})";
  const std::string finished = R"({"type":"finished","task":"","width":%,"height":0,"num_frames":0,"fps":0,"steps":0,)"
                               R"("video_sha256":"","own":{"at_ns":5}})";
  const auto with = [](std::string line, const std::string& number) { return line.replace(line.find('%'), 1, number); };
  for (const std::string& line : {spans, memory, counters, rows, shares, range, begin, own, finished}) {
    EXPECT_NO_THROW(decode(with(line, "1"))) << line;
    for (const char* number : {"-1", "-9223372036854775808", "1e30", "2.2e88", "\"1\"", "true", "[]", "{}"})
      EXPECT_THROW(decode(with(line, number)), Error) << with(line, number);
  }
  for (const std::string& line : {spans, memory, counters, rows, range, begin, own, finished})
    for (const char* number : {"0.5", "1.0", "null"})
      EXPECT_THROW(decode(with(line, number)), Error) << with(line, number);
  for (const std::string& line : {spans, counters, rows, range, begin, own, finished})
    EXPECT_THROW(decode(with(line, "18446744073709551615")), Error) << line;
  for (const std::string& line : {range, begin})
    EXPECT_THROW(decode(with(line, "4294967297")), Error) << line << ": 1 where it is cut to 32 bits";
  try {
    decode(with(begin, "-7"));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("message 'begin': field 'steps' must be a whole number from 0"));
  }
}

TEST(Protocol, ASpanOrWindowThatEndsBeforeItBeginsIsRefused) {
  EXPECT_THROW(decode(R"({"type":"range","thread":1,"depth":0,"begin_ns":3,"end_ns":2,"name":"a"})"), Error);
  EXPECT_THROW(decode(R"({"type":"counters","seen_ns":1,"samples":[[3,2,null,null,null]]})"), Error);
  EXPECT_THROW(decode(R"({"type":"span","stage":"a","component":"","hidden":false,"begin_ns":3,"end_ns":2,)"
                      R"("bytes":0,"flops":0})"),
               Error);
}

TEST(Protocol, ANestedLineIsRefused) {
  EXPECT_THROW(decode(std::string(200'000, '[')), Error);
  EXPECT_THROW(
      decode(R"({"type":"decided","execution":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}"), Error);
}

}  // namespace
}  // namespace wan::suite
