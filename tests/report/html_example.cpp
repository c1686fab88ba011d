// Writes a results folder of hand-made records of a kind with its reports into the folder given: what the browser test
// opens.
#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "base/file.h"
#include "html_records.h"
#include "io/image.h"
#include "io/small_picture.h"
#include "io/video_poster.h"
#include "io/video_writer.h"
#include "report/html.h"
#include "report/trace.h"
#include "results/json.h"
#include "results/store.h"

namespace {

/// A ramp that moves: something to see in the page's still.
void write_video(const std::filesystem::path& file) {
  constexpr int kWidth = 1280, kHeight = 704, kFrames = 9;
  std::filesystem::create_directories(file.parent_path());
  wan::VideoSettings settings;
  settings.width = kWidth;
  settings.height = kHeight;
  wan::VideoWriter writer(file, settings);
  std::vector<uint8_t> rgb;
  for (int frame = 0; frame < kFrames; ++frame) {
    rgb.clear();
    for (int y = 0; y < kHeight; ++y)
      for (int x = 0; x < kWidth; ++x)
        for (const int value : {x / 6 + 4 * frame, y / 4, 60}) rgb.push_back(static_cast<uint8_t>(value));
    writer.write(rgb);
  }
  writer.finish();
}

/// The first example: two cases, a failure and an imported run, with what only one side has.
std::vector<wan::RunRecord> mixed_records(const std::filesystem::path& folder) {
  std::vector<wan::RunRecord> records = wan::report_records();
  for (wan::RunRecord& record : records)  // a stage on the card in one case and on the host in another
    if (record.workload.scope == wan::RunScope::kWarm) record.workload.text_encoder_device = "cpu";
  records.push_back(wan::imported_record());
  if (wan::can_write_video()) {
    for (wan::RunRecord& record : records)  // all wrote one, or they would be two groups
      if (record.engine.kind == wan::EngineKind::kNative && record.status == wan::RunStatus::kOk)
        record.output.size_bytes = wan::measured<uint64_t>(1 << 20, "engine");
    records[0].output.file = "videos/cold.mp4";  // beside the report
    records[3].output.file = "videos/warm.mp4";  // gone by the time the page is opened
    for (const size_t i : {0, 3}) {
      write_video(folder / records[i].output.file);
    }
  }
  for (wan::RunRecord& record : records) {  // digests of other files on each side: the longest words of a page
    const bool ours = record.engine.kind == wan::EngineKind::kNative;
    for (const char digit : {ours ? 'a' : 'c', ours ? 'b' : 'd'})
      record.workload.weights.push_back({"dit", "part.safetensors", 1, std::string(64, digit), "sha256"});
    wan::seal(record);
  }
  return records;
}

std::vector<wan::RunRecord> demo_records(const std::filesystem::path& folder) {
  std::vector<wan::RunRecord> records = wan::demo_records();
  if (!wan::can_write_video()) return records;
  for (wan::RunRecord& record : records) {
    record.output.file = "videos/" + record.run_case.name + ".mp4";
    write_video(folder / record.output.file);
    wan::seal(record);
  }
  return records;
}

/// A picture of 1280x704 whose colours `shift` moves.
void write_still(const std::filesystem::path& file, int shift) {
  constexpr int kWidth = 1280, kHeight = 704;
  wan::Image image{kWidth, kHeight, {}};
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x)
      for (const int value : {x / 6, (y + shift) / 4, 60 + shift}) image.rgb.push_back(static_cast<uint8_t>(value));
  std::filesystem::create_directories(file.parent_path());
  wan::write_png(file, image);
}

std::vector<wan::RunRecord> fidelity_records(const std::filesystem::path& folder) {
  std::vector<wan::RunRecord> records = wan::fidelity_records();
  for (const wan::RunRecord& record : records) {
    if (!record.fidelity || !record.fidelity->still) continue;
    const wan::FidelityStill& still = *record.fidelity->still;
    write_still(folder / still.reference, 0);
    write_still(folder / still.test, 20);
    if (record.run_case.name != "int8_all") write_still(folder / still.difference, 80);  // one that is not there
  }
  return records;
}

/// Nothing for a kind that is not known.
std::vector<wan::RunRecord> records_of(const std::string& kind, const std::filesystem::path& folder) {
  if (kind == "mixed") return mixed_records(folder);
  if (kind == "demo") return demo_records(folder);
  if (kind == "one_card") return wan::report_records();
  if (kind == "four_cards") return wan::four_card_records();
  if (kind == "ablation") return wan::ablation_records();
  if (kind == "failures") return wan::failure_records();
  if (kind == "fidelity") return fidelity_records(folder);
  if (kind == "load") return wan::report_records();
  if (kind == "mlperf") return wan::mlperf_records();
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::filesystem::path folder = argv[1], suites = std::filesystem::path(WAN_SOURCE_DIR) / "suites";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::vector<wan::RunRecord> records = records_of(argv[2], folder);
  const std::string kind = argv[2];
  if (records.empty() && kind != "load_alone") return 2;
  std::vector<const wan::RunRecord*> pointers;
  for (wan::RunRecord& record : records) {
    wan::store_record(folder / "records", record);
    pointers.push_back(&record);
  }
  const auto peaks = wan::load_peaks(suites / "peaks.json");
  const auto prices = wan::load_prices(suites / "prices.json");
  wan::ReportView view = wan::report_view(pointers, peaks, prices);
  if (kind == "load" || kind == "load_alone") view.loads.emplace_back(wan::load_example());
  view.mlperf = wan::mlperf_view(view.cases, wan::load_mlperf(suites / "mlperf.json"));
  wan::report::HtmlOptions options;
  options.folder = folder;
  if (wan::can_write_video()) options.poster = wan::video_poster;
  options.picture = wan::small_picture;
  if (records.size() > 3) options.beside.samples = {{records[3].id, wan::report_samples()}};  // the first warm run
  wan::write_atomically(folder / "report.html", wan::report::html_report(view, options));
  std::filesystem::remove(folder / "videos" / "warm.mp4");
  for (const wan::RunRecord& record : records)
    if (record.kernels) options.beside.kernels.emplace(record.id, wan::report_kernel_events());
  wan::write_atomically(folder / "trace.json", wan::report::trace_json(pointers, options.beside));
  return 0;
}
