// Counters that a watched process reads by itself arrive among the samples, and its refusal too.
#include <gtest/gtest.h>

#include <dlfcn.h>

#include "suite/watch.h"

namespace wan::suite {
namespace {

class Silent : public Listener {
 public:
  void on_message(const Message&) override {}
  void on_output(const std::string&, int64_t) override {}
  void on_tick(const measure::Samples&) override {}
};

/// A card without a driver behind it.
class PaperGpu final : public measure::Gpu {
 public:
  explicit PaperGpu(const std::string& uuid) {
    facts_.uuid = uuid;
    facts_.activity_reason = "made of paper";
  }
  const measure::GpuFacts& facts() const override { return facts_; }
  measure::GpuReading read() override { return {}; }
  std::optional<measure::ActivityReading> read_activity() override { return std::nullopt; }

 private:
  measure::GpuFacts facts_;
};

/// A process that says these messages and ends.
Watched watch_saying(const std::vector<Message>& messages, const std::string& uuid = "GPU-no-engine-knows",
                     Silent&& listener = {}, measure::CounterRung counters = measure::CounterRung::kCupti) {
  std::string script;
  for (const Message& message : messages) script += "echo '" + encode(message) + "' >&3\n";
  WatchOptions options;
  options.spawn.argv = {"sh", "-c", script};
  options.counters = counters;
  PaperGpu gpu(uuid);
  return watch(options, &gpu, "", listener);
}

TEST(WatchCounters, BatchesAndNamesAreKept) {
  const Watched watched =
      watch_saying({CounterState{"SM: some_counter", ""},
                    Counters{{900, {{0, 10, 0.1, {}, {}}, {10, 20, 0.2, {}, {}}}}}, Monitor{false}});
  EXPECT_EQ(watched.broken_line, "");
  EXPECT_EQ(watched.samples.counter_names, "SM: some_counter");
  ASSERT_EQ(watched.samples.counters.size(), 1u);
  const measure::Activity activity = measure::activity_of(watched.samples);
  EXPECT_EQ(activity.source, "cupti_pm");
  ASSERT_EQ(activity.readings.size(), 1u);
  EXPECT_EQ(activity.readings[0].interval.end_ns, 900);
}

TEST(WatchCounters, OfAProcessThatNobodyAskedToCountNoneAreKept) {
  for (const auto asked : {measure::CounterRung::kGpm, measure::CounterRung::kNone}) {
    const Watched watched = watch_saying({Counters{{900, {{0, 10, 0.1, {}, {}}, {10, 20, 0.2, {}, {}}}}}},
                                         "GPU-no-engine-knows", {}, asked);
    EXPECT_EQ(watched.broken_line, "");
    EXPECT_TRUE(watched.samples.counters.empty());
  }
}

TEST(WatchCounters, ARefusalStepsDownTheLadder) {
  const Watched watched = watch_saying({CounterState{"", "no rights"}, CounterState{"", "no rights, again"}});
  EXPECT_EQ(measure::activity_of(watched.samples).reason,
            "cupti_pm: no rights; nvml_gpm: made of paper; dcgm: the host engine does not know the GPU "
            "GPU-no-engine-knows");
}

/// Keeps whether the invented host engine counts, after each message.
class EngineWatcher final : public Silent {
 public:
  explicit EngineWatcher(std::vector<int>& watches) : library_(::dlopen(WAN_FAKE_DCGM, RTLD_NOW)), watches_(watches) {}
  ~EngineWatcher() override { ::dlclose(library_); }
  EngineWatcher(const EngineWatcher&) = delete;
  EngineWatcher& operator=(const EngineWatcher&) = delete;
  void on_message(const Message&) override {
    watches_.push_back(reinterpret_cast<int (*)()>(::dlsym(library_, "fake_dcgm_watches"))());
  }

 private:
  void* library_;
  std::vector<int>& watches_;
};

TEST(WatchCounters, AMonitorThatIsOffEndsWhatAHostEngineCounts) {
  std::vector<int> watches;
  watch_saying({CounterState{"", "no rights"}, Monitor{false}}, "GPU-paper", EngineWatcher(watches));
  EXPECT_EQ(watches, (std::vector<int>{1, 0}));
}

}  // namespace
}  // namespace wan::suite
