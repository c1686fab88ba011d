// Rows of many spans become one, and their spans a file beside the record.
#include "results/spans.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "example.h"
#include "results/json.h"
#include "results/store.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using ::testing::ElementsAre;

StageRecord row(const std::string& parent, const std::string& name, StageKind kind, int64_t begin_ns, int64_t wall_ns) {
  StageRecord stage;
  stage.id = parent.empty() ? name : parent + "/" + name;
  stage.parent = parent;
  stage.name = name;
  stage.kind = kind;
  stage.begin_ns = measured(begin_ns, "device_event");
  stage.wall_ns = wall_ns;
  stage.moved_bytes = absent<uint64_t>("not_reported_by_the_engine");
  return stage;
}

/// A step with `copies` copies, as records before 1.2 have them: the second and later ones numbered.
std::vector<StageRecord> streamed_step(int copies) {
  std::vector<StageRecord> stages = {row("", "Step_0_Inference", StageKind::kLeaf, 0, 1000)};
  for (int i = 0; i < copies; ++i) {
    stages.push_back(row("Step_0_Inference", "h2d", StageKind::kHidden, 10 * i, 7 + i));
    stages.back().moved_bytes = measured<uint64_t>(100, "engine");
    if (i > 0) stages.back().id += fmt::format("#{}", i + 1);
  }
  stages.push_back(row("Step_0_Inference", "cond", StageKind::kComponent, 0, 500));
  return stages;
}

TEST(Spans, OfOnePartBecomeOneRowWithTheirSum) {
  std::vector<StageRecord> stages = streamed_step(3);
  const SpanSet spans = sum_up_parts(stages);
  std::vector<std::string> ids;
  for (const StageRecord& stage : stages) ids.push_back(stage.id);
  EXPECT_THAT(ids, ElementsAre("Step_0_Inference", "Step_0_Inference/h2d", "Step_0_Inference/cond"));
  EXPECT_EQ(stages[1].count, 3);
  EXPECT_EQ(stages[1].wall_ns, 7 + 8 + 9);
  EXPECT_EQ(stages[1].moved_bytes.value, 300u);
  EXPECT_EQ(stages[1].begin_ns.reason, "several_spans");
  EXPECT_EQ(stages[2].count, 1);
  EXPECT_TRUE(stages[2].begin_ns.has()) << "a single span stays as it is";
  ASSERT_EQ(spans.parts.size(), 1u);
  EXPECT_EQ(spans.parts[0].id, "Step_0_Inference/h2d");
  EXPECT_THAT(spans.parts[0].spans, ElementsAre(PartSpan{0, 7, 100}, PartSpan{10, 8, 100}, PartSpan{20, 9, 100}));
}

TEST(Spans, OfOtherStagesAndKindsStayApartAndASumIsNotSummedAgain) {
  std::vector<StageRecord> stages = streamed_step(2);
  stages.push_back(row("Step_1_Inference", "h2d", StageKind::kHidden, 50, 3));
  stages.push_back(row("Step_0_Inference", "h2d", StageKind::kComponent, 60, 3));
  sum_up_parts(stages);
  EXPECT_EQ(stages.size(), 5u);
  const std::vector<StageRecord> once = stages;
  EXPECT_TRUE(sum_up_parts(stages).parts.empty());
  EXPECT_EQ(stages, once);
}

TEST(Spans, ASumIsKnownWhereAllOfItIs) {
  std::vector<StageRecord> stages = streamed_step(3);
  stages[2].moved_bytes = absent<uint64_t>("not_reported_by_the_engine");
  stages[3].begin_ns = absent<int64_t>("lost");
  const SpanSet spans = sum_up_parts(stages);
  EXPECT_FALSE(stages[1].moved_bytes.has());
  EXPECT_EQ(stages[1].count, 3);
  EXPECT_THAT(spans.parts[0].spans, ElementsAre(PartSpan{0, 7, 100}, PartSpan{10, 8, std::nullopt}));
}

TEST(Spans, LieBesideTheirRecordWhichIsSmall) {
  const test::TemporaryFolder folder;
  RunRecord record = example_record();
  record.id.clear();
  record.stages = streamed_step(300);
  const size_t before = to_json(record).size();
  std::vector<StageRecord> stages = record.stages;
  const SpanSet expected = sum_up_parts(stages);
  store_spans(folder, record);
  const auto file = store_record(folder, record);
  EXPECT_LT(read_text(file).size() * 20, before) << "300 copies of 301 rows were most of it";
  const RunRecord loaded = load_record(file);
  EXPECT_EQ(loaded.stages[1].count, 300);
  EXPECT_EQ(loaded.spans_file, run_file_stem(record) + ".spans.json");
  EXPECT_EQ(load_spans(file, loaded), expected);
  EXPECT_EQ(load_collection(folder).records.size(), 1u) << "the spans are not taken for a record";
  std::filesystem::remove(folder / loaded.spans_file);
  EXPECT_EQ(load_spans(file, loaded), std::nullopt);
}

TEST(Spans, ARunWithoutThemHasNoFile) {
  const test::TemporaryFolder outer;
  const std::filesystem::path folder = outer / "none";
  RunRecord record = example_record();
  store_spans(folder, record);
  EXPECT_EQ(record.spans_file, "");
  EXPECT_FALSE(std::filesystem::exists(folder));
  record.spans_file = "../outside.spans.json";
  std::filesystem::create_directories(folder);
  write_atomically(outer / "outside.spans.json", spans_to_json({}));
  EXPECT_EQ(load_spans(folder / "x.run.json", record), std::nullopt) << "references out of the folder are not followed";
}

TEST(Spans, DamagedFilesAreRefusedByName) {
  for (const char* text :
       {"", "{}", R"({"format":"other","parts":[]})",
        R"({"format":"wanbench.spans 1","parts":[{"id":"a","begin_ns":[0],"wall_ns":[],"moved_bytes":[null]}]})",
        R"({"format":"wanbench.spans 1","parts":[{"id":"a","begin_ns":[0],"wall_ns":[-1],"moved_bytes":[null]}]})",
        R"({"format":"wanbench.spans 1","parts":[{"id":"a","begin_ns":[0],"wall_ns":[1],"moved_bytes":["x"]}]})"}) {
    try {
      spans_from_json(text, "file.json");
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      EXPECT_TRUE(std::string(error.what()).starts_with("file.json")) << error.what();
    }
  }
}

}  // namespace
}  // namespace wan
