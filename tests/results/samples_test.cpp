// The file of samples beside a record.
#include "results/samples.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "example.h"
#include "results/store.h"
#include "temporary_folder.h"

namespace wan {
namespace {

SampleSet example_samples() {
  return {100, {{"power_w", {0, 100}, {0, 100}, {70.5, 300}}, {"sm_active_percent", {0, 100}, {100, 220}, {12, 99.5}}}};
}

TEST(Samples, ComeBackBesideTheirRecord) {
  const test::TemporaryFolder folder;
  RunRecord record = example_record();
  record.id.clear();
  store_samples(folder, record, example_samples());
  const auto file = store_record(folder, record);
  const RunRecord loaded = load_record(file);
  ASSERT_TRUE(loaded.samples);
  EXPECT_EQ(loaded.samples->count, 2);
  EXPECT_EQ(load_samples(file, loaded), example_samples());
  EXPECT_EQ(load_collection(folder).records.size(), 1u);  // the samples are not taken for a record
  std::filesystem::remove(folder / loaded.samples->file);
  EXPECT_EQ(load_samples(file, loaded), std::nullopt);
}

TEST(Samples, ReferencesOutOfTheFolderAreNotFollowed) {
  const test::TemporaryFolder outer;
  const std::filesystem::path folder = outer / "inner";
  std::filesystem::create_directories(folder);
  write_atomically(outer / "outside.samples.json", samples_to_json(example_samples()));
  RunRecord record = example_record();
  record.samples = SamplesReference{"../outside.samples.json", kSamplesFormat, 2, 100};
  EXPECT_EQ(load_samples(folder / "x.run.json", record), std::nullopt);
}

TEST(Samples, DamagedFilesAreRefusedByName) {
  for (const char* text : {"", "{}", R"({"format":"other","period_ms":1,"series":[]})",
                           R"({"format":"wanbench.samples 1","period_ms":1,"series":[{"name":"a","begin_ns":[0],
                               "end_ns":[],"values":[1]}]})",
                           R"({"format":"wanbench.samples 1","period_ms":1,"series":[{"name":"a","begin_ns":[5,0],
                               "end_ns":[5,0],"values":[1,2]}]})",
                           R"({"format":"wanbench.samples 1","period_ms":1,"series":[{"name":"a",
                               "begin_ns":[-9223372036854775808],"end_ns":[5],"values":[1]}]})",
                           R"({"format":"wanbench.samples 1","period_ms":1,"series":[{"name":"a","begin_ns":[0],
                               "end_ns":[9223372036854775807],"values":[1]}]})",
                           R"({"format":"wanbench.samples 1","period_ms":1,"series":[{"name":"a","begin_ns":[0.5],
                               "end_ns":[5],"values":[1]}]})"}) {
    try {
      samples_from_json(text, "file.json");
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      EXPECT_TRUE(std::string(error.what()).starts_with("file.json")) << error.what();
    }
  }
}

}  // namespace
}  // namespace wan
