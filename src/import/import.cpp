// Telling the formats apart.
#include "import/import.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "results/json.h"

namespace wan {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{16} << 20;

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::vector<RunRecord> with_findings(std::vector<RunRecord> records) {
  add_findings(records);
  return records;
}

[[noreturn]] void refuse(const std::string& name, std::string_view text) {
  constexpr size_t kShown = 40;
  const size_t first = text.find_first_not_of(" \t\r\n");
  const std::string_view begin = first == std::string_view::npos ? "" : text.substr(first, kShown);
  throw Error(
      ErrorKind::kInput,
      fmt::format("{}: expected a report of the Python original (Markdown with '#### Case:', or JSON with "
                  "'stages'), Comfy Desktop's results.json ('medianJobDurationSeconds') or MLPerf's summary.csv "
                  "('MlperfModel'); found none of these in a text that begins '{}'",
                  name, begin.substr(0, begin.find('\n'))));
}

}  // namespace

ImportFormat format_of(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return ImportFormat::kNone;
  if (text[first] == '{') {
    if (has(text, "\"medianJobDurationSeconds\"")) return ImportFormat::kComfyResults;
    return has(text, "\"stages\"") ? ImportFormat::kOriginalJson : ImportFormat::kNone;
  }
  const std::string_view header = text.substr(first, text.find('\n', first) - first);
  if (has(header, "MlperfModel") && has(header, ",")) return ImportFormat::kMlperfSummary;
  return has(text, "#### Case:") ? ImportFormat::kSeedMarkdown : ImportFormat::kNone;
}

bool is_report(const std::filesystem::path& file) {
  std::error_code unknown;  // reading says why
  if (std::filesystem::file_size(file, unknown) > kMaxBytes && !unknown) return false;
  return format_of(read_text(file, kMaxBytes)) != ImportFormat::kNone;
}

std::vector<RunRecord> import_file(const std::filesystem::path& file, const ImportOptions& options) {
  const std::string text = read_text(file, kMaxBytes);
  const std::string name = file.filename().string();
  std::vector<RunRecord> records;
  switch (format_of(text)) {
    case ImportFormat::kNone: refuse(name, text);
    case ImportFormat::kSeedMarkdown: records = with_findings(read_seed_markdown(text, name)); break;
    case ImportFormat::kOriginalJson: records = with_findings({read_original_json(text, name, options)}); break;
    case ImportFormat::kMlperfSummary: records = read_mlperf_summary(text, name); break;
    case ImportFormat::kComfyResults: records = {read_comfy_results(text, name, options)}; break;
  }
  const std::string digest = sha256_hex(text);
  for (RunRecord& record : records) {
    record.imported->sha256 = digest;
    seal(record);
  }
  return records;
}

}  // namespace wan
