// dlopen of NVIDIA's libraries and of the module, and the checks that they fit this program.
#include "backend/cuda_module.h"

#include <dlfcn.h>

#include <fmt/format.h>

#include "build_identity.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

/// What the library says of its version, in its own units; nothing where it does not answer.
std::optional<int> told_version(const LibraryRequirement& wanted, const NvidiaLibrary& library) {
  int first = 0, second = 0;
  switch (wanted.tells) {
    case LibraryRequirement::Tells::kFillsOne: {
      auto* function = library.function<int(int*)>(wanted.function.c_str());
      if (function == nullptr || function(&first) != 0) return std::nullopt;
      return first;
    }
    case LibraryRequirement::Tells::kFillsTwo: {
      auto* function = library.function<int(int*, int*)>(wanted.function.c_str());
      if (function == nullptr || function(&first, &second) != 0) return std::nullopt;
      return first * wanted.major_unit + second * wanted.minor_unit;
    }
    case LibraryRequirement::Tells::kReturns: {
      auto* function = library.function<size_t()>(wanted.function.c_str());
      if (function == nullptr) return std::nullopt;
      return static_cast<int>(function());
    }
  }
  return std::nullopt;
}

/// "9.13", and why that will not do; empty: it will.
struct Judged {
  std::string version, problem;
};

Judged judge(const LibraryRequirement& wanted, const NvidiaLibrary& library) {
  Judged judged;
  const auto version = told_version(wanted, library);
  if (!version) {
    judged.problem = fmt::format("{} does not tell its version ({})", library.path.string(), wanted.function);
    return judged;
  }
  const int major = *version / wanted.major_unit, minor = *version % wanted.major_unit / wanted.minor_unit;
  judged.version = fmt::format("{}.{}", major, minor);
  if (major != wanted.major || minor < wanted.minor)
    judged.problem = fmt::format("{} is version {} and this build needs {}.{} or a later {}.x", library.path.string(),
                                 judged.version, wanted.major, wanted.minor, wanted.major);
  return judged;
}

LibraryFinding load_one(const LibraryRequirement& wanted, const std::vector<fs::path>& folders) {
  LibraryFinding finding{wanted, {}, {}, {}};
  finding.library = load_nvidia_library(wanted.soname, Symbols::kGlobal, folders, [&](const NvidiaLibrary& tried) {
    const Judged judged = judge(wanted, tried);
    if (!judged.version.empty()) finding.version = judged.version;
    return judged.problem;
  });
  if (!finding.library.loaded())
    finding.problem = finding.library.problem + ": install one that is, or name its folder in WANBENCH_CUDA_LIBRARIES";
  return finding;
}

}  // namespace

std::vector<LibraryFinding> load_libraries(const std::vector<LibraryRequirement>& wanted,
                                           const std::vector<fs::path>& folders) {
  std::vector<LibraryFinding> findings;
  for (const LibraryRequirement& requirement : wanted) findings.push_back(load_one(requirement, folders));
  return findings;
}

std::string_view build_identity() { return kBuildIdentity; }

CudaModule load_cuda_module(const fs::path& path) {
  CudaModule module{nullptr, path, {}};
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    const char* said = ::dlerror();
    module.problem = fmt::format("the CUDA module does not load: {}", said == nullptr ? path.string() : said);
    return module;
  }
  auto* const entry = reinterpret_cast<CudaEntry*>(::dlsym(handle, kCudaEntry));
  const CudaInterface* const interface = entry == nullptr ? nullptr : entry();
  if (interface == nullptr) {
    module.problem = fmt::format("{} is no CUDA module of wanbench: it lacks {}", path.string(), kCudaEntry);
  } else if (interface->version != kCudaInterfaceVersion) {
    module.problem =
        fmt::format("{} has interface version {} and this program needs {}: install program and module of one build",
                    path.string(), interface->version, kCudaInterfaceVersion);
  } else if (std::string_view(interface->build) != kBuildIdentity) {
    module.problem =
        fmt::format("{} is of another build ({}) than this program ({}): install program and module of one build",
                    path.string(), interface->build, kBuildIdentity);
  } else {
    module.interface = interface;
  }
  return module;
}

std::vector<fs::path> cuda_module_places(const fs::path& program, const std::vector<fs::path>& installed) {
  std::vector<fs::path> places{program / "lib/wanbench/wan_cuda.so"};
  for (const fs::path& place : installed) places.push_back((program / place).lexically_normal());
  return places;
}

}  // namespace wan
