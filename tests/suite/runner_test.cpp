// A suite's run with a fake engine: every way to end, resuming, and kills at any moment.
#include "suite/runner.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <set>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "fixtures.h"
#include "results/spans.h"
#include "results/store.h"
#include "temporary_folder.h"

namespace wan::suite {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RunnerTest : public ::testing::Test {
 protected:
  SuiteOutcome run(const RunOptions& options) { return run(options, display_); }
  SuiteOutcome run(const RunOptions& options, Display& display) {
    const Suite suite = test::small_suite();
    const auto plan = test::planned(suite);
    return run_suite(suite, plan, options, gpus_, display);
  }
  SuiteOutcome run(const std::string& mode) { return run(test::options(folder_, WAN_FAKE_ENGINE, mode, 1)); }

  std::vector<fs::path> files_in(const std::string& sub) const {
    std::vector<fs::path> files;
    if (!fs::exists(folder_ / sub)) return files;
    for (const auto& entry : fs::directory_iterator(folder_ / sub)) files.push_back(entry.path());
    return files;
  }

  const wan::test::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_ / "results";
  test::Silent display_;
  measure::GpuSet gpus_;
};

TEST_F(RunnerTest, RecordsEveryCaseWithStagesThatTileTheTotal) {
  const SuiteOutcome outcome = run("ok");
  ASSERT_EQ(outcome.ok, 3);
  ASSERT_EQ(load_collection(folder_).records.size(), 3u);
  for (const RunRecord& record : outcome.records) {
    EXPECT_EQ(record.status, RunStatus::kOk);
    EXPECT_FALSE(record.error.has_value());
    int64_t sum = 0;
    for (const StageRecord& stage : record.stages)
      if (stage.kind == StageKind::kLeaf) sum += stage.wall_ns;
    EXPECT_EQ(sum, total_stage(record)->wall_ns);
    EXPECT_TRUE(total_stage(record)->cpu_core_ns.has());
    EXPECT_GT(*total_stage(record)->host_memory.process_peak_bytes.value, 100'000u);
    EXPECT_FALSE(total_stage(record)->counters.sm_active.mean_percent.has_value());
    EXPECT_EQ(record.output.sha256, "abc");
  }
  EXPECT_EQ(files_in("videos").size(), 3u);
}

TEST_F(RunnerTest, KeepsTheSumOfCopiesInTheRecordAndEachBesideIt) {
  ASSERT_EQ(run("streamed").ok, 3);
  const StoredRecord stored = load_collection(folder_).records.front();
  const StageRecord* copies = find_stage(stored.record, "Step_0_Inference/h2d");
  ASSERT_NE(copies, nullptr);
  EXPECT_EQ(copies->kind, StageKind::kHidden);
  EXPECT_EQ(copies->count, 3);
  EXPECT_EQ(copies->wall_ns, 1500);
  EXPECT_EQ(copies->moved_bytes.value, 300u);
  EXPECT_EQ(find_stage(stored.record, "Step_0_Inference/h2d#2"), nullptr);
  const auto spans = load_spans(stored.file, stored.record);
  ASSERT_TRUE(spans);
  ASSERT_EQ(spans->parts.size(), static_cast<size_t>(*stored.record.workload.steps));
  EXPECT_EQ(spans->parts[0].spans.size(), 3u);
  EXPECT_EQ(spans->parts[0].spans[1].begin_ns - spans->parts[0].spans[0].begin_ns, 1000);
}

TEST_F(RunnerTest, KeepsWhatAKilledEngineHadSaid) {
  const SuiteOutcome outcome = run("kill");
  ASSERT_EQ(outcome.not_ok, 3);
  const RunRecord& record = outcome.records.front();
  EXPECT_EQ(record.status, RunStatus::kCrash);
  EXPECT_EQ(record.error->signal.value, SIGKILL);
  EXPECT_EQ(record.error->stage, "VAE_Decoding");
  ASSERT_NE(find_stage(record, "Step_0_Inference"), nullptr);
  const StageRecord* open = find_stage(record, "VAE_Decoding");
  ASSERT_NE(open, nullptr);
  EXPECT_THAT(open->flags, ::testing::ElementsAre("cut_off"));
  EXPECT_TRUE(files_in("videos").empty());
}

TEST_F(RunnerTest, ClassifiesTheOtherEndings) {
  const std::vector<std::tuple<std::string, RunStatus, std::string>> endings = {
      {"crash", RunStatus::kCrash, "exit code 7"},         {"abort", RunStatus::kCrash, "ended by signal 6"},
      {"oom", RunStatus::kOutOfMemory, "VAE activations"}, {"bad_alloc", RunStatus::kOutOfMemory, "exit code 1"},
      {"invalid", RunStatus::kInvalid, "not a multiple"},  {"garbage", RunStatus::kCrash, "cannot be read"}};
  for (const auto& [mode, status, text] : endings) {
    fs::remove_all(folder_);
    const SuiteOutcome outcome = run(mode);
    ASSERT_EQ(outcome.records.size(), 3u) << mode;
    EXPECT_EQ(outcome.records.front().status, status) << mode;
    EXPECT_THAT(outcome.records.front().error->message, ::testing::HasSubstr(text)) << mode;
  }
  fs::remove_all(folder_);
  const SuiteOutcome outcome = run("oom");
  EXPECT_EQ(outcome.records.front().error->requested_bytes.value, 1000u);
  EXPECT_EQ(outcome.records.front().error->advice, "fewer frames");
}

TEST_F(RunnerTest, EndsTheGroupOfAHangingEngineAtItsLimit) {
  RunOptions options = test::options(folder_, WAN_FAKE_ENGINE, "hang", 1);
  options.timeout = {0.5};
  const SuiteOutcome outcome = run(options);
  ASSERT_EQ(outcome.records.size(), 3u);
  EXPECT_EQ(outcome.records.front().status, RunStatus::kTimeout);
  EXPECT_EQ(outcome.records.front().error->signal.value, SIGKILL);  // it ignores the polite signal
  EXPECT_TRUE(files_in("videos").empty());
}

TEST_F(RunnerTest, AWarmProcessThatEndsEarlyLeavesNoRepeatUnnamed) {
  for (const auto& [mode, ok, reason] :
       {std::tuple{"dies_warm", 1, "exit code 7"}, {"stops_early", 1, "all was well"}}) {
    fs::remove_all(folder_);
    RunOptions options = test::options(folder_, WAN_FAKE_ENGINE, mode, 1);
    options.repetition.repeats = 0;
    options.repetition.warm_repeats = 4;
    const SuiteOutcome outcome = run(options);
    EXPECT_EQ(outcome.ok, 3 * ok) << mode;
    std::map<std::string, std::set<int64_t>> repeats;
    for (const StoredRecord& stored : load_collection(folder_).records) {
      const RunRecord& record = stored.record;
      EXPECT_TRUE(repeats[record.run_case.name].insert(record.run_case.repeat).second);
      if (record.run_case.repeat < ok) continue;
      EXPECT_EQ(record.status, RunStatus::kCrash) << mode;
      EXPECT_THAT(record.error->message, ::testing::HasSubstr(reason)) << mode;
      if (record.run_case.repeat < 3) continue;
      EXPECT_THAT(record.error->message, ::testing::HasSubstr("not made")) << mode;
    }
    for (const char* name : {"one", "two", "three"})
      EXPECT_THAT(repeats[name], ::testing::ElementsAre(0, 1, 2, 3)) << mode;
  }
}

TEST_F(RunnerTest, PartsOfAKilledRunGoWithTheNextOne) {
  ASSERT_EQ(run("ok").ok, 3);
  SpawnOptions nothing;
  nothing.argv = {"true"};
  Subprocess gone(nothing);
  gone.wait();
  for (const char* target : {"report.html", "records/one.run.json", "videos/one.cold.r0.mp4"}) {
    std::string name = sibling_temporary(folder_ / target).string();
    const std::string own = "." + std::to_string(::getpid()) + ".";
    std::ofstream(name.replace(name.rfind(own), own.size(), "." + std::to_string(gone.pid()) + ".")) << "half";
    EXPECT_TRUE(fs::exists(name));
  }
  RunOptions options = test::options(folder_, WAN_FAKE_ENGINE, "ok", 1);
  options.if_stored = IfStored::kResume;
  run(options);
  for (const auto& entry : fs::recursive_directory_iterator(folder_))
    EXPECT_NE(entry.path().extension(), ".part") << entry.path();
}

TEST_F(RunnerTest, MakesWarmVideosInOneProcessAfterOneThatDoesNotCount) {
  RunOptions options = test::options(folder_, WAN_FAKE_ENGINE, "ok", 1);
  options.repetition.repeats = 0;
  options.repetition.warm_repeats = 2;
  options.repetition.warm_up_steps = 2;
  const SuiteOutcome outcome = run(options);
  ASSERT_EQ(outcome.records.size(), 6u);
  EXPECT_EQ(outcome.records[0].engine.facts.at("warm_up_steps"), "2");
  EXPECT_EQ(outcome.records[0].workload.scope, RunScope::kWarm);
  EXPECT_EQ(outcome.records[0].run_case.repeat, 0);
  EXPECT_EQ(outcome.records[1].run_case.repeat, 1);
  EXPECT_LT(outcome.records[0].clock.origin_monotonic_ns, outcome.records[1].clock.origin_monotonic_ns);
  // Each begins where the one before it ended, so none of them holds the process's start.
  const StageRecord* total = total_stage(outcome.records[0]);
  EXPECT_LE(outcome.records[0].clock.origin_monotonic_ns + total->wall_ns,
            outcome.records[1].clock.origin_monotonic_ns);
}

/// The first case of the small suite, set against fp32, of which its class promises `bound`.
class JudgedRunTest : public RunnerTest {
 protected:
  SuiteOutcome run(const std::string& mode, double bound, IfStored if_stored = IfStored::kRefuse) {
    FidelityTask task;
    task.pair.reference.name = "fp32";
    task.pair.test.name = "one";
    task.reference_key = "key-of-reference";
    task.bound = bound;
    task.folder = folder_ / "fidelity" / "one.fp32";
    task.stills_from = folder_;
    RunOptions options = test::options(folder_, WAN_FAKE_ENGINE, mode, 1);
    options.fidelity = {{&plan_.front(), task}};
    options.if_stored = if_stored;
    return run_suite(suite_, plan_, options, gpus_, display_);
  }
  static const RunRecord* judged(const SuiteOutcome& outcome) {
    const RunRecord* found = nullptr;
    for (const RunRecord& record : outcome.records)
      if (record.fidelity) found = &record;
    return found;
  }

  const Suite suite_ = test::small_suite();
  const std::vector<PlannedCase> plan_ = test::planned(suite_);
};

TEST_F(JudgedRunTest, IsARecordMoreThatIsNotCounted) {
  const SuiteOutcome outcome = run("ok", 1e-4);
  EXPECT_EQ(outcome.ok, 4);
  const RunRecord* record = judged(outcome);
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->run_case.name, "one");
  EXPECT_EQ(record->fidelity->comparison.reference, "fp32");
  EXPECT_EQ(record->fidelity->velocity_bound, 1e-4);
  EXPECT_NE(test::flag_of(*record, kFidelityFlag), nullptr);
  EXPECT_NE(reason_not_counted(*record), "");
  EXPECT_NE(find_stage(*record, "Step_0_Inference"), nullptr) << "of its own video, not of the reference's";
  EXPECT_EQ(load_collection(folder_).records.size(), 4u);
}

TEST_F(JudgedRunTest, AWrongClassIsFoundByWhatItsStepsMake) {
  const SuiteOutcome outcome = run("far_off", 1e-4);
  const RunRecord* record = judged(outcome);
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->status, RunStatus::kQualityFail);
  ASSERT_TRUE(record->error.has_value());
  EXPECT_THAT(record->error->message, HasSubstr("50 % off"));
  EXPECT_THAT(record->error->message, HasSubstr("allows 0.01 %"));
  EXPECT_EQ(outcome.not_ok, 1);
}

TEST_F(JudgedRunTest, WithinWhatItsClassPromisesItIsOk) {
  EXPECT_EQ(judged(run("far_off", 0.6))->status, RunStatus::kOk);
}

TEST_F(JudgedRunTest, WhatTheReferenceEndsInIsItsEnd) {
  const SuiteOutcome outcome = run("no_reference", 1e-4);
  const RunRecord* record = judged(outcome);
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->status, RunStatus::kOutOfMemory);
  EXPECT_TRUE(record->fidelity->comparison.scores.empty());
  EXPECT_NE(record->fidelity->comparison.why_no_scores, "");
}

TEST_F(JudgedRunTest, IsNotMadeAgainByAResumedSuite) {
  const std::string id = judged(run("ok", 1e-4))->id;
  const SuiteOutcome again = run("ok", 1e-4, IfStored::kResume);
  EXPECT_EQ(again.ok, 0);
  EXPECT_EQ(judged(again)->id, id);
}

TEST_F(RunnerTest, RepeatsUntilTheRuleIsMetAndSaysWhy) {
  RunOptions options = test::options(folder_, WAN_FAKE_ENGINE, "ok", 20);
  options.repetition.until = measure::StoppingRule{.min_runs = 2, .max_runs = 3};
  options.repetition.order = RunOrder::kGrouped;
  const SuiteOutcome outcome = run(options);
  EXPECT_GE(outcome.ok, 6);  // two or three of each of three cases, as the machine's noise has it
  EXPECT_LE(outcome.ok, 9);
  EXPECT_EQ(outcome.records[0].run_case.name, outcome.records[1].run_case.name);
  EXPECT_EQ(outcome.records[0].engine.facts.at("run_order"), "grouped");
  EXPECT_EQ(outcome.records[0].engine.facts.at("repeats_asked"), "auto");
  ASSERT_EQ(display_.notes.size(), 3u);
  EXPECT_THAT(display_.notes[0], ::testing::HasSubstr("converged after"));
}

TEST_F(RunnerTest, RecordsThePageCacheItFoundAfterReadingTheWeights) {
  const fs::path weights = temporary_ / "weights";
  fs::create_directories(weights);
  std::ofstream(weights / "diffusion_pytorch_model.safetensors") << std::string(100'000, 'x');
  const Suite suite = test::small_suite();
  auto plan = test::planned(suite);
  plan[0].page_cache = plan[1].page_cache = PageCacheSetting::kHot;
  plan[0].details.request.checkpoint = plan[2].details.request.checkpoint = weights;
  const SuiteOutcome outcome =
      run_suite(suite, plan, test::options(folder_, WAN_FAKE_ENGINE, "ok", 1), gpus_, display_);
  fs::remove_all(weights);
  ASSERT_EQ(outcome.records.size(), 3u);
  EXPECT_EQ(outcome.records[0].workload.page_cache, PageCache::kHot);
  EXPECT_EQ(outcome.records[0].engine.facts.at("page_cache_resident"), "1.0000");
  EXPECT_EQ(outcome.records[1].workload.page_cache, PageCache::kUnknown);  // it has no weight files
  EXPECT_EQ(outcome.records[1].engine.facts.at("page_cache_resident"), "no_files");
  EXPECT_EQ(outcome.records[2].workload.page_cache, PageCache::kUnknown);  // not asked for
  EXPECT_THAT(display_.notes,
              ::testing::ElementsAre(::testing::HasSubstr("two: the page cache is recorded as unknown")));
}

TEST_F(RunnerTest, RefusesAFolderThatHoldsSomethingUnlessResumed) {
  run("ok");
  EXPECT_THROW(run("ok"), Error);
  RunOptions options = test::options(folder_, WAN_FAKE_ENGINE, "crash", 1);
  options.if_stored = IfStored::kResume;
  const SuiteOutcome outcome = run(options);  // a crashing engine: it is not started again
  EXPECT_EQ(outcome.skipped, 3);
  EXPECT_EQ(outcome.ok + outcome.not_ok, 0);
  EXPECT_EQ(outcome.records.size(), 3u);
}

TEST_F(RunnerTest, RefusesToResumeAnotherPlan) {
  run("ok");
  Suite suite = test::small_suite();
  auto plan = test::planned(suite);
  plan[0].key = "other-weights";
  RunOptions options = test::options(folder_, WAN_FAKE_ENGINE, "ok", 1);
  options.if_stored = IfStored::kResume;
  EXPECT_THROW(run_suite(suite, plan, options, gpus_, display_), Error);
}

TEST_F(RunnerTest, RefusesToResumeWithAnotherImageOfTheSameName) {
  Suite suite = test::small_suite();
  auto plan = test::planned(suite);
  plan[1].workload.last_image_sha256 = std::string(64, 'a');
  RunOptions options = test::options(folder_, WAN_FAKE_ENGINE, "ok", 1);
  run_suite(suite, plan, options, gpus_, display_);
  options.if_stored = IfStored::kResume;
  EXPECT_EQ(run_suite(suite, plan, options, gpus_, display_).skipped, 3);
  plan[1].workload.last_image_sha256 = std::string(64, 'b');
  try {
    run_suite(suite, plan, options, gpus_, display_);
    FAIL() << "runs of two images would share a median";
  } catch (const Error& refusal) {
    EXPECT_EQ(refusal.kind(), ErrorKind::kUsage);
    EXPECT_THAT(refusal.what(), ::testing::HasSubstr("images"));
  }
}

TEST_F(RunnerTest, WhatTheFirstRunDecidedIsGivenToAllOthersOfItsCase) {
  RunOptions options = test::options(folder_, WAN_FAKE_ENGINE, "ok", 1);
  options.repetition.repeats = 2;
  options.repetition.warm_repeats = 1;
  std::map<std::string, std::set<int64_t>> chunks;
  for (const RunRecord& record : run(options).records) {
    ASSERT_TRUE(record.execution.has());
    EXPECT_EQ(record.execution.value->residency, "stream");
    EXPECT_EQ(record.workload.offload, "stream") << "never the request's word";
    EXPECT_EQ(record.predicted_peak_bytes.reason, "no_device_memory");
    chunks[record.run_case.name].insert(record.execution.value->vae_chunk);
  }
  ASSERT_EQ(chunks.size(), 3u);
  for (const auto& [name, seen] : chunks) EXPECT_EQ(seen.size(), 1u) << name;
  // A resumed suite takes what its stored runs decided.
  options.repetition.repeats = 3;
  options.if_stored = IfStored::kResume;
  for (const RunRecord& record : run(options).records)
    EXPECT_EQ(chunks.at(record.run_case.name), std::set{record.execution.value->vae_chunk});
}

TEST_F(RunnerTest, SaysWhyTheExecutionOfARunIsNotKnown) {
  const SuiteOutcome outcome = run("undecided");
  EXPECT_EQ(outcome.records.front().execution.reason, "the run ended before it was decided");
}

TEST_F(RunnerTest, AnotherBuildResumesOnlyWhenItIsAllowed) {
  RunOptions options = test::options(folder_, WAN_FAKE_ENGINE, "ok", 1);
  options.program_sha256 = std::string(64, 'a');
  for (const RunRecord& record : run(options).records) EXPECT_EQ(record.tool.program_sha256, options.program_sha256);
  options.if_stored = IfStored::kResume;
  EXPECT_EQ(run(options).skipped, 3);
  options.program_sha256 = std::string(64, 'b');
  try {
    run(options);
    FAIL() << "another build went on";
  } catch (const Error& refusal) {
    EXPECT_EQ(refusal.kind(), ErrorKind::kUsage);
    EXPECT_THAT(refusal.what(), ::testing::HasSubstr("--allow-other-build"));
    EXPECT_THAT(refusal.what(), ::testing::HasSubstr("aaaaaaaaaaaa"));
  }
  options.other_build = OtherBuild::kAllow;
  EXPECT_EQ(run(options).skipped, 3);
}

/// Interrupts this process once the engine hangs in the middle of its video.
struct PressesWhenItHangs final : test::Silent {
  void message(const Message& message) override {
    const auto* fact = std::get_if<Fact>(&message);
    if (fact != nullptr && fact->key == test::kHanging) ::kill(::getpid(), SIGINT);
  }
};

TEST_F(RunnerTest, AnInterruptRecordsTheCaseAndResumingReplacesIt) {
  RunOptions options = test::options(folder_, WAN_FAKE_ENGINE, "hang", 1);
  // Blocked here too, so that the signal reaches no other thread of the test program.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  PressesWhenItHangs display;
  const SuiteOutcome outcome = run(options, display);
  EXPECT_EQ(outcome.stop_signal, SIGINT);
  ASSERT_EQ(outcome.records.size(), 1u);
  EXPECT_EQ(outcome.records[0].status, RunStatus::kInterrupted);
  EXPECT_TRUE(files_in("videos").empty());

  RunOptions again = test::options(folder_, WAN_FAKE_ENGINE, "ok", 1);
  again.if_stored = IfStored::kResume;
  EXPECT_EQ(run(again).ok, 3);
  for (const StoredRecord& stored : load_collection(folder_).records) EXPECT_EQ(stored.record.status, RunStatus::kOk);
}

/// Returns when `count` bytes came, or the other end was closed.
void wait_for_bytes(const Descriptor& descriptor, size_t count) {
  std::string text;
  while (text.size() < count && read_available(descriptor, text)) {
    pollfd wait{descriptor.get(), POLLIN, 0};
    ::poll(&wait, 1, -1);
  }
}

constexpr size_t kWordsOfAFakeSuite = 100;  // some more than fake_suite says: one moment is after its end

TEST_F(RunnerTest, ASuiteKilledAtAnyMomentEndsWithTheSameRecords) {
  std::mt19937 random(7);
  std::uniform_int_distribution<size_t> moment(0, kWordsOfAFakeSuite);
  for (int round = 0; round < 20; ++round) {
    fs::remove_all(folder_);
    SpawnOptions spawn;
    spawn.argv = {WAN_FAKE_SUITE, folder_.string(), WAN_FAKE_ENGINE, "3"};
    {
      Subprocess killed(spawn);
      wait_for_bytes(killed.out(), moment(random));
      killed.signal_group(SIGKILL);
      killed.wait();
    }
    Subprocess resumed(spawn);
    const ExitState end = resumed.wait();
    std::string said;
    read_available(resumed.err(), said);
    ASSERT_EQ(end.signal, 0) << "round " << round << ": " << said;
    ASSERT_EQ(end.exit_code, 0) << "round " << round << ": " << said;
    const Collection collection = load_collection(folder_);
    EXPECT_TRUE(collection.damaged.empty()) << "round " << round;
    std::multiset<std::string> got, want;
    for (const StoredRecord& stored : collection.records)
      got.insert(stored.record.run_case.name + std::to_string(stored.record.run_case.repeat) +
                 std::string(to_string(stored.record.status)));
    for (const char* name : {"one", "two", "three"})
      for (const char* repeat : {"0ok", "1ok"}) want.insert(std::string(name) + repeat);
    ASSERT_EQ(got, want) << "round " << round;
  }
}

/// Writes a line to a named pipe for each stage that begins. The pipe stays open in both directions: were it closed
/// after a line, who opened it in the meantime for the next would read its end.
class AnswersEachStage final : public test::Silent {
 public:
  explicit AnswersEachStage(const fs::path& pipe) : pipe_(pipe, std::ios::in | std::ios::out) {}
  void message(const Message& message) override {
    if (std::holds_alternative<Begin>(message)) pipe_ << "go on" << std::endl;
  }

 private:
  std::fstream pipe_;
};

TEST_F(RunnerTest, MeasuresAnyCommandByItsLog) {
  RunOptions options = test::options(folder_, "", "ok", 1);
  // Each stage lasts until the line that begins it was read: only then is there something in the pipe with a name.
  const fs::path answers = temporary_ / "answers";
  ASSERT_EQ(::mkfifo(answers.c_str(), 0600), 0);
  const std::string wait = "read answer < " + answers.string();
  options.command = {"sh", "-c", "echo loading; " + wait + "; echo step {steps} >&2; " + wait};
  options.patterns = {{"^loading", "Model_Initialization"}, {"^step (\\d+)", "Step_$1_Inference"}};
  AnswersEachStage display(answers);
  const SuiteOutcome outcome = run(options, display);
  ASSERT_EQ(outcome.ok, 3);
  const RunRecord& record = outcome.records[1];
  EXPECT_EQ(record.engine.kind, EngineKind::kExternal);
  EXPECT_EQ(record.engine.marker_source, "log");
  EXPECT_NE(find_stage(record, "Model_Initialization"), nullptr);
  EXPECT_NE(find_stage(record, "Step_2_Inference"), nullptr);
}

/// Shows the first stage until the program has long ended.
class ShowsForLong final : public test::Silent {
 public:
  void message(const Message& message) override {
    if (std::holds_alternative<Begin>(message) && !std::exchange(shown_, true)) ::poll(nullptr, 0, 1000);
  }
  void run_begins(const PlannedCase&, const Job&, int64_t, int64_t) override { shown_ = false; }

 private:
  bool shown_ = false;
};

TEST_F(RunnerTest, ALineThatIsReadAfterTheEndWasSaidBeforeIt) {
  RunOptions options = test::options(folder_, "", "ok", 1);
  options.command = {"sh", "-c", "echo loading; sleep 0.2; echo writing"};
  options.patterns = {{"^(loading|writing)", "$1"}};
  ShowsForLong display;
  const SuiteOutcome outcome = run(options, display);
  for (const RunRecord& record : outcome.records) {
    EXPECT_NE(find_stage(record, "writing"), nullptr);
    EXPECT_EQ(test::flag_of(record, "times_outside_the_run"), nullptr);
  }
}

TEST_F(RunnerTest, MeasuresACommandByItsNvtxRangesBeforeItsLog) {
  if (std::string(WAN_NVTX_LIBRARY).empty()) GTEST_SKIP() << "built without the NVTX headers";
  RunOptions options = test::options(folder_, "", "ok", 1);
  options.command = {WAN_NVTX_PROGRAM};
  options.patterns = {{"^working", "By_Log"}};
  options.injection_library = WAN_NVTX_LIBRARY;
  const SuiteOutcome outcome = run(options);
  ASSERT_EQ(outcome.ok, 3);
  const RunRecord& record = outcome.records.front();
  EXPECT_EQ(record.engine.marker_source, "nvtx");
  std::vector<std::string> ids;
  for (const StageRecord& stage : record.stages) ids.push_back(stage.id);
  EXPECT_THAT(ids, ::testing::ElementsAre("load \"weights\"\n", "step é", "step é/attention", "step é/domain range",
                                          "step é#2", "started", "started/mark", "Unattributed", "Total_Execution"));
  int64_t sum = 0;
  for (const StageRecord& stage : record.stages)
    if (stage.kind == StageKind::kLeaf) sum += stage.wall_ns;
  EXPECT_EQ(sum, total_stage(record)->wall_ns);
}

TEST_F(RunnerTest, MeasuresTheSameCommandByItsLogWithoutTheLibrary) {
  if (std::string(WAN_NVTX_LIBRARY).empty()) GTEST_SKIP() << "built without the NVTX headers";
  RunOptions options = test::options(folder_, "", "ok", 1);
  options.command = {WAN_NVTX_PROGRAM};
  options.patterns = {{"^working", "By_Log"}};
  options.why_no_injection = "no library";
  const RunRecord record = run(options).records.front();
  EXPECT_EQ(record.engine.marker_source, "log");
  EXPECT_EQ(record.engine.facts.at("nvtx"), "no library");
  EXPECT_NE(find_stage(record, "By_Log"), nullptr);
}

TEST_F(RunnerTest, ACommandWithoutMarksHasItsTotalAlone) {
  RunOptions options = test::options(folder_, "", "ok", 1);
  options.command = {"sh", "-c", "exit 3"};
  const SuiteOutcome outcome = run(options);
  ASSERT_EQ(outcome.not_ok, 3);
  EXPECT_EQ(outcome.records[0].engine.marker_source, "total");
  EXPECT_EQ(outcome.records[0].error->exit_code.value, 3);
}

}  // namespace
}  // namespace wan::suite
