// The file of kernel events beside a record.
#include "results/kernel_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_number.h"
#include "example.h"
#include "results/store.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using Json = nlohmann::json;

KernelEvents example_events() {
  KernelEvents events;
  events.stages = "Step_12";
  events.names = {{"gemm", KernelKind::kGemm}, {"copy, pinned host to device", KernelKind::kCopy}};
  events.launches = {{{132, 2, 1}, {384, 1, 1}, 168, 230'000}};
  events.call_names = {"cudaLaunchKernel"};
  events.threads = {{4711, "wanbench"}};
  events.device = {{10, 30, 0, 0, 7, 5, 0}, {20, 25, 1, {}, 13, 4'000'000'000, 1 << 20}};
  events.host = {{5, 9, 0, 0, 5}};
  return events;
}

TEST(KernelEvents, ComeBackBesideTheirRecord) {
  const test::TemporaryFolder outer;
  const std::filesystem::path folder = outer / "inner";
  RunRecord record = example_record();
  record.id.clear();
  record.kernels = KernelTrace{};
  store_kernel_events(folder, record, example_events());
  EXPECT_THAT(record.trace_file, ::testing::EndsWith(".traced.kernels.json")) << "not the name of the timed run's";
  const auto file = store_record(folder, record);
  const RunRecord loaded = load_record(file);
  EXPECT_EQ(load_kernel_events(file, loaded), example_events());
  EXPECT_EQ(load_collection(folder).records.size(), 1u);
  std::filesystem::remove(folder / loaded.trace_file);
  EXPECT_EQ(load_kernel_events(file, loaded), std::nullopt);
  RunRecord elsewhere = loaded;
  elsewhere.trace_file = "../outside.kernels.json";
  write_atomically(outer / "outside.kernels.json", kernel_events_to_json(example_events()));
  EXPECT_EQ(load_kernel_events(file, elsewhere), std::nullopt);
}

TEST(KernelEvents, NoneLeaveNoFile) {
  RunRecord record = example_record();
  record.trace_file.clear();
  const test::TemporaryFolder folder;
  store_kernel_events(folder / "none", record, {});
  EXPECT_EQ(record.trace_file, "");
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST(KernelEvents, MoveTogether) {
  KernelEvents events = example_events();
  shift(events, 100);
  EXPECT_EQ(events.device[0].begin_ns, 110);
  EXPECT_EQ(events.device[0].end_ns, 130);
  EXPECT_EQ(events.host[0].end_ns, 109);
}

TEST(KernelEvents, WhatMovesBeyondAFilesTimesIsLeftOut) {
  KernelEvents events = example_events();
  events.device.front().begin_ns = -kMostNs;
  shift(events, -100);
  ASSERT_EQ(events.device.size(), 1u);
  EXPECT_EQ(events.device[0].begin_ns, -80);
  EXPECT_EQ(events.host.size(), 1u);
  EXPECT_EQ(kernel_events_from_json(kernel_events_to_json(events), "x"), events);
}

TEST(KernelEvents, DamagedFilesAreRefusedByName) {
  struct Wrong {
    const char* at;
    Json value;
    const char* problem;
  };
  const Wrong cases[] = {{"/format", "other", "expected format"},
                         {"/names/0/kind", "magic", "'magic' is no kind of kernel"},
                         {"/launches/0/grid", Json::array({1, 2}), ""},
                         {"/launches/0/grid/1", -1, "grid: element 1"},
                         {"/launches/0/registers", -1, "registers: expected a whole number from 0 on"},
                         {"/launches/0/shared_bytes", 0.5, "shared_bytes: expected a whole number from 0 on"},
                         {"/threads/0/id", UINT64_MAX, "id: expected a whole number from 0 on"},
                         {"/device/end_ns", Json::array({30}), "device.end_ns: columns of unequal length"},
                         {"/device/end_ns/0", 5, "device: times out of order in row 0"},
                         {"/device/begin_ns/1", 2, "device: times out of order in row 1"},
                         {"/device/name/1", 2, "device.name: expected 0 to 1 in row 1, found 2"},
                         {"/device/launch/0", 1, "device.launch"},
                         {"/device/launch/0", -2, "device.launch"},
                         {"/device/stream/0", -1, "device.stream"},
                         {"/device/bytes/0", -1, "device.bytes"},
                         {"/host/begin_ns", Json::array(), "host.end_ns: columns of unequal length"},
                         {"/host/name/0", 1, "host.name"},
                         {"/host/thread/0", 1, "host.thread"},
                         {"/host/correlation/0", int64_t{1} << 32, "host.correlation"}};
  for (const Wrong& wrong : cases) {
    Json json = Json::parse(kernel_events_to_json(example_events()));
    json[Json::json_pointer(wrong.at)] = wrong.value;
    try {
      kernel_events_from_json(json.dump(), "file.json");
      ADD_FAILURE() << wrong.at;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      EXPECT_THAT(error.what(), ::testing::StartsWith("file.json: not a file of kernel events")) << wrong.at;
      EXPECT_THAT(error.what(), ::testing::HasSubstr(wrong.problem)) << wrong.at;
    }
  }
  EXPECT_THROW(kernel_events_from_json("", "file.json"), Error);
}

}  // namespace
}  // namespace wan
