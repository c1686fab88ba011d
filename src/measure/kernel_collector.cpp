// CUPTI's activity interface, cupti_activity.h of CUDA 12 and 13. Records are read as the oldest version of their
// struct that both have: newer ones only append. CUPTI asks for buffers and hands them back full through plain function
// pointers, from a thread of its own, so one collector of the process is reachable from them.
#include "measure/kernel_collector.h"

#include <cupti.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "measure/cupti_library.h"
#include "measure/kernel_names.h"

namespace wan::measure {
namespace {

constexpr size_t kBufferBytes = size_t{8} << 20;
constexpr size_t kBufferAlignment = 8;    // as CUPTI asks
constexpr int kMostBuffers = 64;          // out at a time, one a calling thread; beyond, CUPTI drops and counts
constexpr size_t kMostRuns = 2'000'000;   // 80 MB; a 50-step video has about a tenth
constexpr size_t kMostCalls = 4'000'000;  // 128 MB

/// cuptiSetThreadIdType, which older headers lack, and its CUPTI_ACTIVITY_THREAD_ID_TYPE_SYSTEM: threads by gettid().
/// Without it they have other numbers, and no names.
using NumberThreads = CUptiResult CUPTIAPI(int);
constexpr int kSystemThreads = 1;

/// The last two are the host's calls.
constexpr std::array kCollected{CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY,
                                CUPTI_ACTIVITY_KIND_MEMSET, CUPTI_ACTIVITY_KIND_RUNTIME, CUPTI_ACTIVITY_KIND_DRIVER};

const char* place(uint8_t kind) {
  switch (kind) {
    case CUPTI_ACTIVITY_MEMORY_KIND_PAGEABLE: return "pageable host";
    case CUPTI_ACTIVITY_MEMORY_KIND_PINNED: return "pinned host";
    case CUPTI_ACTIVITY_MEMORY_KIND_DEVICE:
    case CUPTI_ACTIVITY_MEMORY_KIND_DEVICE_STATIC: return "device";
    case CUPTI_ACTIVITY_MEMORY_KIND_MANAGED:
    case CUPTI_ACTIVITY_MEMORY_KIND_MANAGED_STATIC: return "managed";
    default: return "memory";
  }
}

/// What the kernel calls a thread of this process now; empty: it has ended.
std::string thread_name(int64_t id) {
  std::ifstream file(fmt::format("/proc/self/task/{}/comm", id));
  std::string name;
  std::getline(file, name);
  return name;
}

/// "cudaLaunchKernel_v7000" -> "cudaLaunchKernel": the version of the interface says nothing about the call.
std::string call_without_version(std::string name) {
  const size_t version = name.rfind("_v");
  const bool is_version = version != std::string::npos && version + 2 < name.size() &&
                          name.find_first_not_of("0123456789", version + 2) == std::string::npos;
  if (is_version) name.resize(version);
  return name;
}

}  // namespace

/// The state behind the callbacks.
class KernelCollector::Activity {
 public:
  Activity();
  ~Activity();

  const std::string& reason() const { return reason_; }
  CollectedKernels take();

 private:
  static void CUPTIAPI give_buffer(uint8_t** buffer, size_t* size, size_t* most_records);
  static void CUPTIAPI take_buffer(CUcontext context, uint32_t stream, uint8_t* buffer, size_t size, size_t valid);
  static uint64_t CUPTIAPI host_time() { return static_cast<uint64_t>(monotonic_ns()); }

  /// True when the call succeeded; else keeps the reason.
  bool worked(CUptiResult result, const char* what);
  void start();
  void read(uint8_t* buffer, size_t valid);
  void keep(const CUpti_Activity& record);
  void keep(uint64_t begin_ns, uint64_t end_ns, const KernelRun& run);
  void keep_call(const CUpti_ActivityAPI& call);
  uint32_t kernel_index(const char* mangled);
  uint32_t index_of(const std::string& name, KernelKind kind);
  uint32_t launch_index(const CUpti_ActivityKernel9& kernel);
  uint32_t call_index(CUpti_ActivityKind kind, uint32_t function);
  uint32_t thread_index(int64_t id);

  static inline std::mutex mutex_;              // over all below: callbacks come from CUPTI's thread
  static inline Activity* receiver_ = nullptr;  // the collector that is being fed
  static inline int buffers_out_ = 0;

  CuptiLibrary library_{CUDA_VERSION / 1000};
  decltype(cuptiActivityGetNextRecord)* next_record_ = nullptr;
  decltype(cuptiActivityGetNumDroppedRecords)* dropped_ = nullptr;
  decltype(cuptiActivityFlushAll)* flush_ = nullptr;
  decltype(cuptiActivityDisable)* disable_ = nullptr;
  decltype(cuptiGetResultString)* explain_ = nullptr;
  decltype(cuptiGetCallbackName)* name_call_ = nullptr;
  std::string reason_;
  CollectedKernels collected_;
  std::unordered_map<std::string, uint32_t> by_mangled_, by_name_;
  std::map<std::array<int64_t, 8>, uint32_t> by_shape_;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> by_function_;  // kind and number of the function
  std::unordered_map<int64_t, uint32_t> by_thread_;
};

KernelCollector::Activity::Activity() : reason_(library_.reason()) {
  if (!library_.loaded()) return;
  {
    const std::lock_guard lock(mutex_);
    if (receiver_ != nullptr) {
      reason_ = "another kernel trace of this process is running";
      return;
    }
    receiver_ = this;
  }
  start();
}

KernelCollector::Activity::~Activity() {
  if (disable_ != nullptr)
    for (const CUpti_ActivityKind kind : kCollected) disable_(kind);
  const std::lock_guard lock(mutex_);
  if (receiver_ == this) receiver_ = nullptr;
}

bool KernelCollector::Activity::worked(CUptiResult result, const char* what) {
  if (result == CUPTI_SUCCESS) return true;
  const char* text = nullptr;
  if (explain_ != nullptr) explain_(result, &text);
  reason_ = fmt::format("CUPTI: {}: {}", what, text != nullptr ? text : fmt::format("error {}", int(result)));
  return false;
}

void KernelCollector::Activity::start() {
  next_record_ = library_.function<decltype(cuptiActivityGetNextRecord)>("cuptiActivityGetNextRecord");
  dropped_ = library_.function<decltype(cuptiActivityGetNumDroppedRecords)>("cuptiActivityGetNumDroppedRecords");
  flush_ = library_.function<decltype(cuptiActivityFlushAll)>("cuptiActivityFlushAll");
  explain_ = library_.function<decltype(cuptiGetResultString)>("cuptiGetResultString");
  name_call_ = library_.function<decltype(cuptiGetCallbackName)>("cuptiGetCallbackName");
  const auto number_threads = library_.function<NumberThreads>("cuptiSetThreadIdType");
  const auto clock =
      library_.function<decltype(cuptiActivityRegisterTimestampCallback)>("cuptiActivityRegisterTimestampCallback");
  const auto callbacks = library_.function<decltype(cuptiActivityRegisterCallbacks)>("cuptiActivityRegisterCallbacks");
  const auto enable = library_.function<decltype(cuptiActivityEnable)>("cuptiActivityEnable");
  const auto disable = library_.function<decltype(cuptiActivityDisable)>("cuptiActivityDisable");
  if (next_record_ == nullptr || dropped_ == nullptr || flush_ == nullptr || clock == nullptr || callbacks == nullptr ||
      enable == nullptr || disable == nullptr || name_call_ == nullptr) {
    reason_ = "this libcupti lacks a function of the activity interface";
    return;
  }
  if (!worked(clock(host_time), "its clock cannot be set")) return;
  if (!worked(callbacks(give_buffer, take_buffer), "buffers cannot be given")) return;
  if (number_threads != nullptr && !worked(number_threads(kSystemThreads), "threads cannot be told apart")) return;
  disable_ = disable;
  for (const CUpti_ActivityKind kind : kCollected)
    if (!worked(enable(kind), "kernels and copies cannot be watched")) return;
}

CollectedKernels KernelCollector::Activity::take() {
  if (!reason_.empty()) return {};
  worked(flush_(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED), "records cannot be fetched");  // calls take_buffer
  const std::lock_guard lock(mutex_);
  CollectedKernels out = std::exchange(collected_, {});
  collected_.names = out.names;  // indices stay good
  collected_.launches = out.launches;
  collected_.call_names = out.call_names;
  collected_.threads = out.threads;
  return out;
}

void CUPTIAPI KernelCollector::Activity::give_buffer(uint8_t** buffer, size_t* size, size_t* most_records) {
  const std::lock_guard lock(mutex_);
  *most_records = 0;
  *size = kBufferBytes;
  *buffer =
      buffers_out_ < kMostBuffers ? static_cast<uint8_t*>(std::aligned_alloc(kBufferAlignment, kBufferBytes)) : nullptr;
  if (*buffer != nullptr) ++buffers_out_;
}

void CUPTIAPI KernelCollector::Activity::take_buffer(CUcontext, uint32_t, uint8_t* buffer, size_t, size_t valid) {
  const std::lock_guard lock(mutex_);
  if (receiver_ != nullptr) receiver_->read(buffer, valid);
  std::free(buffer);
  --buffers_out_;
}

void KernelCollector::Activity::read(uint8_t* buffer, size_t valid) {
  CUpti_Activity* record = nullptr;
  while (next_record_(buffer, valid, &record) == CUPTI_SUCCESS) keep(*record);
  size_t dropped = 0;
  if (dropped_(nullptr, 0, &dropped) == CUPTI_SUCCESS) collected_.missing.dropped += static_cast<int64_t>(dropped);
}

void KernelCollector::Activity::keep(const CUpti_Activity& record) {
  switch (record.kind) {
    case CUPTI_ACTIVITY_KIND_KERNEL:
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL: {
      const auto& kernel = reinterpret_cast<const CUpti_ActivityKernel9&>(record);
      keep(kernel.start, kernel.end,
           {{}, kernel_index(kernel.name), launch_index(kernel), kernel.streamId, kernel.correlationId, 0});
      return;
    }
    case CUPTI_ACTIVITY_KIND_MEMCPY: {
      const auto& copy = reinterpret_cast<const CUpti_ActivityMemcpy5&>(record);
      const uint32_t name =
          index_of(fmt::format("copy, {} to {}", place(copy.srcKind), place(copy.dstKind)), KernelKind::kCopy);
      keep(copy.start, copy.end,
           {{}, name, kNoLaunch, copy.streamId, copy.correlationId, static_cast<int64_t>(copy.bytes)});
      return;
    }
    case CUPTI_ACTIVITY_KIND_MEMSET: {
      const auto& fill = reinterpret_cast<const CUpti_ActivityMemset4&>(record);
      keep(fill.start, fill.end,
           {{},
            index_of("fill", KernelKind::kCopy),
            kNoLaunch,
            fill.streamId,
            fill.correlationId,
            static_cast<int64_t>(fill.bytes)});
      return;
    }
    case CUPTI_ACTIVITY_KIND_RUNTIME:
    case CUPTI_ACTIVITY_KIND_DRIVER: keep_call(reinterpret_cast<const CUpti_ActivityAPI&>(record)); return;
    default: return;
  }
}

void KernelCollector::Activity::keep(uint64_t begin_ns, uint64_t end_ns, const KernelRun& run) {
  if (begin_ns == 0) {
    ++collected_.missing.without_time;
  } else if (end_ns < begin_ns) {
    ++collected_.missing.end_first;
  } else if (collected_.runs.size() >= kMostRuns) {
    ++collected_.missing.beyond_kept;
  } else {
    collected_.runs.push_back(run);
    collected_.runs.back().interval = {static_cast<int64_t>(begin_ns), static_cast<int64_t>(end_ns)};
  }
}

/// A call without a time says nothing: it is left out.
void KernelCollector::Activity::keep_call(const CUpti_ActivityAPI& call) {
  if (call.start == 0 || call.end < call.start) return;
  if (collected_.calls.size() >= kMostCalls) {
    ++collected_.missing.calls_beyond;
    return;
  }
  collected_.calls.push_back({static_cast<int64_t>(call.start), static_cast<int64_t>(call.end),
                              call_index(call.kind, call.cbid), thread_index(call.threadId), call.correlationId});
}

uint32_t KernelCollector::Activity::kernel_index(const char* mangled) {
  const char* name = mangled != nullptr ? mangled : "unnamed";
  if (const auto known = by_mangled_.find(name); known != by_mangled_.end()) return known->second;
  const std::string readable = short_kernel_name(name);
  return by_mangled_[name] = index_of(readable, kernel_kind(readable));
}

uint32_t KernelCollector::Activity::index_of(const std::string& name, KernelKind kind) {
  const auto [entry, fresh] = by_name_.try_emplace(name, static_cast<uint32_t>(collected_.names.size()));
  if (fresh) collected_.names.push_back({name, kind});
  return entry->second;
}

uint32_t KernelCollector::Activity::launch_index(const CUpti_ActivityKernel9& kernel) {
  const LaunchShape shape{{kernel.gridX, kernel.gridY, kernel.gridZ},
                          {kernel.blockX, kernel.blockY, kernel.blockZ},
                          kernel.registersPerThread,
                          int64_t{kernel.staticSharedMemory} + kernel.dynamicSharedMemory};
  const std::array<int64_t, 8> key{shape.grid[0],  shape.grid[1],  shape.grid[2],   shape.block[0],
                                   shape.block[1], shape.block[2], shape.registers, shape.shared_bytes};
  const auto [entry, fresh] = by_shape_.try_emplace(key, static_cast<uint32_t>(collected_.launches.size()));
  if (fresh) collected_.launches.push_back(shape);
  return entry->second;
}

uint32_t KernelCollector::Activity::call_index(CUpti_ActivityKind kind, uint32_t function) {
  const auto [entry, fresh] =
      by_function_.try_emplace({kind, function}, static_cast<uint32_t>(collected_.call_names.size()));
  if (fresh) {
    const bool is_runtime = kind == CUPTI_ACTIVITY_KIND_RUNTIME;
    const char* name = nullptr;
    const bool known = name_call_(is_runtime ? CUPTI_CB_DOMAIN_RUNTIME_API : CUPTI_CB_DOMAIN_DRIVER_API, function,
                                  &name) == CUPTI_SUCCESS &&
                       name != nullptr;
    collected_.call_names.push_back(known ? call_without_version(name)
                                          : fmt::format("{} call {}", is_runtime ? "runtime" : "driver", function));
  }
  return entry->second;
}

uint32_t KernelCollector::Activity::thread_index(int64_t id) {
  const auto [entry, fresh] = by_thread_.try_emplace(id, static_cast<uint32_t>(collected_.threads.size()));
  if (fresh) collected_.threads.push_back({id, thread_name(id)});
  return entry->second;
}

KernelCollector::KernelCollector() : activity_(std::make_unique<Activity>()) {}
KernelCollector::~KernelCollector() = default;
const std::string& KernelCollector::reason() const { return activity_->reason(); }
CollectedKernels KernelCollector::take() { return activity_->take(); }

}  // namespace wan::measure
