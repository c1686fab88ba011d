// Where the files that come with the program are: beside it in the build tree, where the configuration said once
// installed.
#pragma once

#include <filesystem>
#include <string>

namespace wan::cli {

/// From the folder of the installed program: its data, and the folder of libraries.
std::filesystem::path installed_data();
std::filesystem::path installed_libraries();
/// Of this program: of its running file, whatever has taken its name since, and where its CUDA module's file is there
/// of both, one digest after the other.
std::string program_sha256();
/// Folder share/wanbench that belongs to the running program. Throws Error(kRuntime) when there is none.
std::filesystem::path data_folder();
/// The small checkpoint that comes with the program.
std::filesystem::path default_checkpoint();
/// The tokenizer that made checkpoints get: unlike the small checkpoint's it has a piece for every text.
std::filesystem::path general_tokenizer();
/// suites/quick.json.
std::filesystem::path default_suite();
/// Folder whose sitecustomize.py marks the stages of the official Python program.
std::filesystem::path python_shim();

}  // namespace wan::cli
