// Telling the formats apart.
#include "import/import.h"

#include "base/file.h"
#include "base/hash.h"
#include "results/json.h"

namespace wan {

std::vector<RunRecord> import_file(const std::filesystem::path& file, const ImportOptions& options) {
  constexpr uint64_t kMaxBytes = uint64_t{16} << 20;
  const std::string text = read_text(file, kMaxBytes);
  const std::string name = file.filename().string();
  std::vector<RunRecord> records;
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && text[first] == '{') {
    records.push_back(read_original_json(text, name, options));
  } else {
    records = read_seed_markdown(text, name);
  }
  add_findings(records);
  const std::string digest = sha256_hex(text);
  for (RunRecord& record : records) {
    record.imported->sha256 = digest;
    seal(record);
  }
  return records;
}

}  // namespace wan
