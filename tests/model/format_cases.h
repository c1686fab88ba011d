// The cases of the format fixtures, each a model in files of one form, and those files: from the fixtures' archive, or
// written here where tests have a writer of that form.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace wan::test {

struct FormatLora {
  std::string file;    // in the fixtures
  double strength;     // of its change
  std::string expert;  // "high", "low"; empty: the only DiT
};

/// Files are named by their paths in the fixtures.
struct FormatCase {
  std::string name;
  std::string miniature;          // that it was made from
  std::vector<std::string> dits;  // the only one, or high noise and low noise; a folder of all parts where `vae` is it
  std::string text_encoder, vae;
  std::vector<FormatLora> loras;
  std::filesystem::path expectation;  // tensors under "fp32." that the reference computed

  bool is_folder() const { return dits.front() == vae; }
  /// Lossless files are held against all that the official code computed.
  bool is_golden() const;
};

/// Those of formats.json, in its order.
std::vector<FormatCase> format_cases();

/// Whether every file of a case is in the archive or can be written.
bool can_be_made(const FormatCase& each);

/// Whether it lies in the archive, as the fixtures' own program wrote it.
bool is_archived(const std::string& path);

/// The file or folder of that path: in the archive, or written under `folder`. Throws std::out_of_range when it is
/// neither there nor has a writer.
std::filesystem::path format_file(const std::string& path, const std::filesystem::path& folder);

}  // namespace wan::test
