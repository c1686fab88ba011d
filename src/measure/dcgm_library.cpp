#include "measure/dcgm_library.h"

#include <dlfcn.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace wan::measure {

DcgmLibrary::DcgmLibrary(std::span<const char* const> names) {
  void* library = nullptr;
  for (size_t i = 0; library == nullptr && i < names.size(); ++i)
    library = ::dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    reason = fmt::format("DCGM is not installed: {} cannot be loaded", fmt::join(names, ", "));
    return;
  }
  const auto find = [&]<class Signature>(Signature*& function, const char* name) {
    function = reinterpret_cast<Signature*>(::dlsym(library, name));
    if (function == nullptr && reason.empty()) reason = fmt::format("this version of DCGM lacks {}", name);
  };
  find(initialize, "dcgmInit");
  find(shutdown, "dcgmShutdown");
  find(explain, "errorString");
  find(connect, "dcgmConnect_v2");
  find(disconnect, "dcgmDisconnect");
  find(all_gpus, "dcgmGetAllDevices");
  find(latest_values, "dcgmEntitiesGetLatestValues");
  find(create_group, "dcgmGroupCreate");
  find(add_gpu, "dcgmGroupAddDevice");
  find(destroy_group, "dcgmGroupDestroy");
  find(create_fields, "dcgmFieldGroupCreate");
  find(destroy_fields, "dcgmFieldGroupDestroy");
  find(watch, "dcgmWatchFields");
  find(unwatch, "dcgmUnwatchFields");
  find(values_since, "dcgmGetValuesSince");
}

}  // namespace wan::measure
