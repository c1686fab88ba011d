// Where NVIDIA's libraries may lie, and dlopen.
#include "base/nvidia_libraries.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "base/program.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The entries of `folder`, sorted, so that the same machine always gives the same order.
std::vector<fs::path> entries(const fs::path& folder) {
  std::error_code problem;
  std::vector<fs::path> found;
  for (fs::directory_iterator entry(folder, problem), end; !problem && entry != end; entry.increment(problem))
    found.push_back(entry->path());
  std::sort(found.begin(), found.end());
  return found;
}

void add(std::vector<fs::path>& folders, const fs::path& folder) {
  std::error_code ignored;
  const fs::path plain = folder.lexically_normal();
  if (fs::is_directory(plain, ignored) && std::find(folders.begin(), folders.end(), plain) == folders.end())
    folders.push_back(plain);
}

/// nvidia/cublas/lib, nvidia/cudnn/lib, nvidia/cu13/lib and whatever else NVIDIA's wheels are called.
void add_wheels(std::vector<fs::path>& folders, const fs::path& packages) {
  for (const fs::path& wheel : entries(packages / "nvidia")) add(folders, wheel / "lib");
}

void add_python(std::vector<fs::path>& folders, const fs::path& lib) {
  for (const fs::path& python : entries(lib)) {
    if (python.filename().string().rfind("python3", 0) != 0) continue;
    for (const char* packages : {"site-packages", "dist-packages"}) add_wheels(folders, python / packages);
  }
}

void add_named(std::vector<fs::path>& folders, const std::string& named) {
  for (size_t begin = 0; begin < named.size();) {
    const size_t end = std::min(named.find(':', begin), named.size());
    const fs::path folder = named.substr(begin, end - begin);
    begin = end + 1;
    if (folder.empty()) continue;
    add(folders, folder);
    add_wheels(folders, folder);
    for (const fs::path& wheel : entries(folder)) add(folders, wheel / "lib");
  }
}

/// The library and where it lies, or what the dynamic linker said.
NvidiaLibrary opened(const fs::path& path, int mode) {
  NvidiaLibrary library;
  library.handle = ::dlopen(path.c_str(), mode);
  if (library.handle == nullptr) {
    const char* said = ::dlerror();
    library.problem = said == nullptr ? path.string() : said;
    return library;
  }
  link_map* map = nullptr;
  if (::dlinfo(library.handle, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr) library.path = map->l_name;
  return library;
}

/// The folder above the bin that has PATH's first python3; empty where there is none. Nothing is run.
fs::path python_prefix(const std::string& path) {
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    const fs::path bin = path.substr(begin, end - begin);
    begin = end + 1;
    std::error_code ignored;
    if (bin.is_absolute() && fs::exists(bin / "python3", ignored)) return bin.parent_path();
  }
  return {};
}

}  // namespace

LibraryPlaces library_places() {
  LibraryPlaces places;
  places.named = environment("WANBENCH_CUDA_LIBRARIES");
  places.program = program_folder();
  places.virtual_environment = environment("VIRTUAL_ENV");
  places.home = environment("HOME");
  places.python = python_prefix(environment("PATH"));
  return places;
}

std::vector<fs::path> library_folders(const LibraryPlaces& places) {
  std::vector<fs::path> folders;
  add_named(folders, places.named);
  if (!places.program.empty()) {
    add(folders, places.program);
    for (const char* folder : {"lib", "../lib"}) add(folders, places.program / folder);
  }
  folders.emplace_back();
  const fs::path local = places.system / "usr/local";
  for (const char* folder : {"cuda/lib64", "cuda/extras/CUPTI/lib64"}) add(folders, local / folder);
  if (!places.virtual_environment.empty()) add_python(folders, fs::path(places.virtual_environment) / "lib");
  if (!places.python.empty()) add_python(folders, places.python / "lib");
  if (!places.home.empty()) add_python(folders, fs::path(places.home) / ".local/lib");
  add_python(folders, local / "lib");
  return folders;
}

std::string in_words(const std::vector<fs::path>& folders) {
  std::string text;
  for (const fs::path& folder : folders) {
    if (!text.empty()) text += ", ";
    text += folder.empty() ? "the system's library path" : folder.string();
  }
  return text;
}

void* NvidiaLibrary::symbol(const char* name) const { return handle == nullptr ? nullptr : ::dlsym(handle, name); }

NvidiaLibrary load_nvidia_library(const std::string& soname, Symbols symbols, const std::vector<fs::path>& folders,
                                  const LibraryObjection& objection) {
  const int kept = RTLD_NOW | RTLD_NODELETE | (symbols == Symbols::kGlobal ? RTLD_GLOBAL : RTLD_LOCAL);
  std::string unfit;
  for (const fs::path& folder : folders) {
    std::error_code ignored;
    if (!folder.empty() && !fs::exists(folder / soname, ignored)) continue;
    NvidiaLibrary tried = opened(folder / soname, RTLD_NOW | RTLD_LOCAL);
    if (tried.loaded() && objection) tried.problem = objection(tried);
    if (tried.loaded() && tried.problem.empty()) {
      NvidiaLibrary library = opened(folder / soname, kept);
      ::dlclose(tried.handle);
      return library;
    }
    if (tried.loaded()) ::dlclose(tried.handle);
    if (tried.problem.rfind(soname + ": cannot open", 0) != 0) unfit += "; " + tried.problem;  // it is there, unfit
  }
  NvidiaLibrary none;
  none.problem = unfit.empty() ? fmt::format("{} is not in {}", soname, in_words(folders))
                               : fmt::format("no fit {} in {}{}", soname, in_words(folders), unfit);
  return none;
}

}  // namespace wan
