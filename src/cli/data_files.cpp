#include "cli/data_files.h"

#include <fmt/format.h>

#include "backend/cuda_module.h"
#include "base/error.h"
#include "base/hash.h"

namespace wan::cli {

std::filesystem::path data_folder() {
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::filesystem::path beside = program / "share" / "wanbench";
  const std::filesystem::path installed = (program / installed_data()).lexically_normal();
  for (const auto& candidate : {beside, installed})
    if (std::filesystem::is_directory(candidate)) return candidate;
  throw Error(ErrorKind::kRuntime, fmt::format("the program's data folder is missing: expected {} or {}",
                                               beside.string(), installed.string()));
}

std::string program_sha256() {
  const std::string program = sha256_of_file("/proc/self/exe");
  const std::filesystem::path module = cuda_module_file();
  return module.empty() ? program : sha256_hex(program + sha256_of_file(module));
}

std::filesystem::path default_checkpoint() { return data_folder() / "checkpoint"; }

std::filesystem::path general_tokenizer() { return data_folder() / "tokenizer"; }

std::filesystem::path default_suite() { return data_folder() / "suites" / "quick.json"; }

std::filesystem::path python_shim() { return data_folder() / "python"; }

}  // namespace wan::cli
