// Where NVIDIA's libraries are, and loading them at run time: the one place that decides, for the CUDA module, CUPTI
// and NVML. The program links none of them, so that it starts in little memory on a machine without any.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace wan {

/// What of a process's surroundings decides where libraries are looked for. Empty: unset.
struct LibraryPlaces {
  std::string named;  // WANBENCH_CUDA_LIBRARIES: folders, colon-separated, each also above nvidia/*/lib or */lib
  std::filesystem::path program;       // the folder of the running program
  std::string virtual_environment;     // VIRTUAL_ENV
  std::string home;                    // HOME
  std::filesystem::path python;        // above bin/python3 of PATH: the wheels of another program's environment
  std::filesystem::path system = "/";  // above usr/local; a test's own
};

/// Those of this process. Reads the environment here and nowhere else: like LD_LIBRARY_PATH it belongs to the process
/// and stands before any option.
LibraryPlaces library_places();

/// Folders to look in, in order, each that exists: those named; the program's own, and lib beside and above it; the
/// system's search (an empty path: LD_LIBRARY_PATH, run paths, ldconfig); the toolkit's; Python's wheels
/// (nvidia/*/lib below site-packages) of the virtual environment, the python3 of PATH, the user's home and /usr/local.
std::vector<std::filesystem::path> library_folders(const LibraryPlaces& places);

/// The folders in words, for a message.
std::string in_words(const std::vector<std::filesystem::path>& folders);

/// A library that was loaded, or why none could be. Never unloaded: these have threads and exit handlers of their own.
struct NvidiaLibrary {
  void* handle = nullptr;
  std::filesystem::path path;  // of the file that was loaded
  std::string problem;         // where it was looked for, or what a file that is there lacks; empty when loaded

  bool loaded() const { return handle != nullptr; }
  /// The function of that name, or nullptr when this version lacks it or nothing is loaded.
  template <class Signature>
  Signature* function(const char* name) const {
    return reinterpret_cast<Signature*>(symbol(name));
  }

 private:
  void* symbol(const char* name) const;
};

/// Whether later libraries may take a loaded one's functions by name.
enum class Symbols { kPrivate, kGlobal };

/// Why a library that loads will not do, such as its version; empty: it will.
using LibraryObjection = std::function<std::string(const NvidiaLibrary& library)>;

/// Loads `soname` (libcudart.so.13) from the first of `folders` where it loads and `objection`, if given, has none: a
/// machine may have several, an old one first. One that will not do is let go again. Never throws.
NvidiaLibrary load_nvidia_library(const std::string& soname, Symbols symbols,
                                  const std::vector<std::filesystem::path>& folders = library_folders(library_places()),
                                  const LibraryObjection& objection = {});

}  // namespace wan
