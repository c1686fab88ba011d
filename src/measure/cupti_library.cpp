// dlopen by soname first, so that LD_LIBRARY_PATH and run paths decide; the folders after it are the toolkit's own.
#include "measure/cupti_library.h"

#include <dlfcn.h>

#include <fmt/format.h>

namespace wan::measure {

CuptiLibrary::CuptiLibrary(int cuda_major) {
  const std::string name = fmt::format("libcupti.so.{}", cuda_major);
  for (const char* folder : {"", "/usr/local/cuda/lib64/", "/usr/local/cuda/extras/CUPTI/lib64/"}) {
    handle_ = ::dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle_ != nullptr) return;
  }
  reason_ = fmt::format("{} of the CUDA toolkit cannot be loaded", name);
}

void* CuptiLibrary::symbol(const char* name) const { return handle_ == nullptr ? nullptr : ::dlsym(handle_, name); }

}  // namespace wan::measure
