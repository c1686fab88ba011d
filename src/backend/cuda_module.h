// The CUDA backend as a module that is loaded where an NVIDIA driver is: one program serves machines with and without.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/cuda_interface.h"
#include "base/nvidia_libraries.h"

namespace wan {

/// One of NVIDIA's libraries that the module was linked with.
struct LibraryRequirement {
  std::string soname;    // libcudnn.so.9
  std::string function;  // that tells its version
  /// How it does: cudaRuntimeGetVersion and nvrtcVersion fill integers, the others return a size_t.
  enum class Tells { kFillsOne, kFillsTwo, kReturns } tells = Tells::kReturns;
  int major_unit = 1000, minor_unit = 10;  // 13000 is 13.0 of CUDA; 91300 is 9.13 of cuDNN: 10000 and 100
  int major = 0, minor = 0;                // the oldest that will do
};

/// Such a library as it was found.
struct LibraryFinding {
  LibraryRequirement wanted;
  NvidiaLibrary library;
  std::string version;  // 9.13; empty when not loaded
  std::string problem;  // empty: it will do
};

/// Loads each of `wanted` for the whole process, so that the module, which names them, finds them loaded. Never throws.
std::vector<LibraryFinding> load_libraries(const std::vector<LibraryRequirement>& wanted,
                                           const std::vector<std::filesystem::path>& folders);

/// Which build this program is of; a module of another is refused.
std::string_view build_identity();

/// The module, or why there is none. It stays loaded until the process ends: what it made may live as long.
struct CudaModule {
  const CudaInterface* interface = nullptr;
  std::filesystem::path path;
  std::string problem;
};

/// Loads the module at `path`, whose libraries are loaded. Refuses one of another interface or build. Never throws.
CudaModule load_cuda_module(const std::filesystem::path& path);

/// Where the module is looked for, in order: below the program's folder in lib/wanbench (a build tree), then
/// `installed`, whose relative paths are seen from the program's folder, so that an installation may be moved.
std::vector<std::filesystem::path> cuda_module_places(const std::filesystem::path& program,
                                                      const std::vector<std::filesystem::path>& installed);

/// For `doctor` and records; what a build without CUDA answers is empty. None of these loads anything but the last.
struct CudaStatus {
  std::filesystem::path module;           // its file; empty where there is none
  std::string problem;                    // why the backend cannot be loaded; empty: it is loaded
  std::vector<LibraryFinding> libraries;  // NVIDIA's
};

/// The module's file that this program would load; empty where there is none.
std::filesystem::path cuda_module_file();
/// Why the first card, which could compute, has no code in this build; nothing where it has, or where there is no card.
/// A user who names no device is told, instead of being given the processor for hours.
std::optional<std::string> why_card_has_no_code();
/// Loads NVIDIA's libraries, and the module where a driver is.
CudaStatus cuda_status();

}  // namespace wan
