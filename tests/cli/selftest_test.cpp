// `selftest overhead` from the command line to the record that quotes it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "command_line.h"
#include "results/overhead.h"
#include "results/store.h"

namespace wan {
namespace {

using test::CommandLine;
using test::Ended;
using test::Says;

TEST_F(CommandLine, SelftestOverheadIsStoredAndQuoted) {
  const Ended ended =
      run("selftest overhead --device cpu --pairs 5 --block 4 --size 96x64 --num-frames 5 --limit 1e9 --output "
          "overhead.json --checkpoint " +
          checkpoint());
  ASSERT_EQ(ended.code, 0) << ended.output;  // a limit that nothing reaches
  EXPECT_THAT(ended.output, Says("PASS"));
  const OverheadResult found = overhead_from_json(read_text(folder_ / "overhead.json"), "overhead.json");
  EXPECT_EQ(found.pairs.size(), 5u);
  EXPECT_EQ(found.gpu_uuid, "");
  EXPECT_GT(found.step_s, 0);
  EXPECT_LE(found.low_percent, found.percent);
  EXPECT_GE(found.high_percent, found.percent);

  const Ended quoted =
      run("run --device cpu --case 02_Half_The_Steps --no-video --overhead overhead.json --output results");
  ASSERT_EQ(quoted.code, 0) << quoted.output;
  const Collection collection = load_collection(folder_ / "results" / "records");
  ASSERT_EQ(collection.records.size(), 1u);
  EXPECT_EQ(collection.records[0].record.overhead_percent, measured(found.percent, "selftest"));
}

TEST_F(CommandLine, SelftestRefusesWhatItCannotUse) {
  EXPECT_EQ(run("selftest").code, static_cast<int>(ExitCode::kUsage));
  EXPECT_EQ(run("selftest overhead --counters nvml").code, static_cast<int>(ExitCode::kUsage));
  EXPECT_EQ(run("selftest overhead --block 3").code, static_cast<int>(ExitCode::kUsage));
  EXPECT_EQ(run("selftest overhead --pairs 4").code, static_cast<int>(ExitCode::kUsage));
  const Ended other = run("run --overhead " + checkpoint() + "/config.json --output results");
  EXPECT_EQ(other.code, static_cast<int>(ExitCode::kUsage)) << other.output;
  EXPECT_EQ(files(), 0u);
}

}  // namespace
}  // namespace wan
