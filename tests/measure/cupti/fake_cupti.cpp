// A libcupti with invented records, so that the collector is tested where there is no card. A flush hands out one
// buffer; each flush after the first one has one kernel only.
// Newer headers declare it with an enum of their own.
#define cuptiSetThreadIdType cuptiSetThreadIdType_declared
#include <cupti.h>
#undef cuptiSetThreadIdType

#include <unistd.h>

#include <cstring>

namespace {

CUpti_BuffersCallbackRequestFunc request = nullptr;
CUpti_BuffersCallbackCompleteFunc complete = nullptr;
CUpti_TimestampCallbackFunc now = nullptr;
bool enabled[CUPTI_ACTIVITY_KIND_COUNT] = {};
int flushes = 0;
size_t dropped = 0;
int thread_ids = 0;

template <class Record>
void append(uint8_t* buffer, size_t& used, const Record& record) {
  std::memcpy(buffer + used, &record, sizeof record);
  used += sizeof record;
}

CUpti_ActivityKernel10 kernel(uint64_t start, uint64_t end, const char* name) {
  CUpti_ActivityKernel10 record{};
  record.kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL;
  record.start = start;
  record.end = end;
  record.name = name;
  record.gridX = 132;
  record.gridY = record.gridZ = record.blockY = record.blockZ = 1;
  record.blockX = 384;
  record.registersPerThread = 168;
  record.staticSharedMemory = 1024;
  record.dynamicSharedMemory = 2048;
  record.streamId = 7;
  record.correlationId = 40;
  return record;
}

CUpti_ActivityAPI call(CUpti_ActivityKind kind, uint32_t function, uint64_t start, uint64_t end) {
  CUpti_ActivityAPI record{};
  record.kind = kind;
  record.cbid = function;
  record.start = start;
  record.end = end;
  record.threadId = static_cast<uint32_t>(thread_ids == 1 ? ::gettid() : 0);
  record.correlationId = 40;
  return record;
}

size_t size_of(const CUpti_Activity* record) {
  if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY) return sizeof(CUpti_ActivityMemcpy6);
  if (record->kind == CUPTI_ACTIVITY_KIND_MEMSET) return sizeof(CUpti_ActivityMemset4);
  if (record->kind == CUPTI_ACTIVITY_KIND_RUNTIME || record->kind == CUPTI_ACTIVITY_KIND_DRIVER)
    return sizeof(CUpti_ActivityAPI);
  return sizeof(CUpti_ActivityKernel10);
}

void fill(uint8_t* buffer, size_t& used) {
  const uint64_t base = now();
  append(buffer, used, kernel(base, base + 100, "_ZN3wan4cuda10map_kernelILi1EEEvi"));
  if (++flushes > 1) return;
  append(buffer, used, kernel(base + 100, base + 300, "nvjet_sm90_tst_128x256"));
  append(buffer, used, kernel(0, 0, "nvjet_sm90_tst_128x256"));
  append(buffer, used, kernel(base + 50, base + 20, "nvjet_sm90_tst_128x256"));
  append(buffer, used, kernel(0, 0, "nvjet_sm90_tst_128x256"));
  CUpti_ActivityMemcpy6 copy{};
  copy.kind = CUPTI_ACTIVITY_KIND_MEMCPY;
  copy.srcKind = CUPTI_ACTIVITY_MEMORY_KIND_PINNED;
  copy.dstKind = CUPTI_ACTIVITY_MEMORY_KIND_DEVICE;
  copy.start = base + 300;
  copy.end = base + 350;
  copy.bytes = 4096;
  copy.streamId = 13;
  copy.correlationId = 41;
  append(buffer, used, copy);
  CUpti_ActivityMemset4 set{};
  set.kind = CUPTI_ACTIVITY_KIND_MEMSET;
  set.start = base + 350;
  set.end = base + 360;
  append(buffer, used, set);
  append(buffer, used, call(CUPTI_ACTIVITY_KIND_RUNTIME, 211, base - 20, base - 10));
  append(buffer, used, call(CUPTI_ACTIVITY_KIND_DRIVER, 652, base - 15, base - 12));
  append(buffer, used, call(CUPTI_ACTIVITY_KIND_RUNTIME, 999, base, base + 5));
  append(buffer, used, call(CUPTI_ACTIVITY_KIND_RUNTIME, 211, 0, 0));
  dropped = 4;
}

}  // namespace

extern "C" {

CUptiResult CUPTIAPI cuptiActivityRegisterTimestampCallback(CUpti_TimestampCallbackFunc clock) {
  now = clock;
  return CUPTI_SUCCESS;
}

CUptiResult CUPTIAPI cuptiActivityRegisterCallbacks(CUpti_BuffersCallbackRequestFunc requested,
                                                    CUpti_BuffersCallbackCompleteFunc completed) {
  request = requested;
  complete = completed;
  return CUPTI_SUCCESS;
}

CUptiResult CUPTIAPI cuptiActivityEnable(CUpti_ActivityKind kind) {
  enabled[kind] = true;
  return CUPTI_SUCCESS;
}

CUptiResult CUPTIAPI cuptiActivityDisable(CUpti_ActivityKind kind) {
  enabled[kind] = false;
  return CUPTI_SUCCESS;
}

CUptiResult CUPTIAPI cuptiActivityFlushAll(uint32_t) {
  const bool all = enabled[CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL] && enabled[CUPTI_ACTIVITY_KIND_MEMCPY] &&
                   enabled[CUPTI_ACTIVITY_KIND_MEMSET] && enabled[CUPTI_ACTIVITY_KIND_RUNTIME] &&
                   enabled[CUPTI_ACTIVITY_KIND_DRIVER];
  if (!all) return CUPTI_ERROR_NOT_INITIALIZED;
  uint8_t* buffer = nullptr;
  size_t size = 0, most = 1, used = 0;
  request(&buffer, &size, &most);
  if (buffer == nullptr || size < 4096 || most != 0) return CUPTI_ERROR_OUT_OF_MEMORY;
  fill(buffer, used);
  complete(nullptr, 0, buffer, size, used);
  return CUPTI_SUCCESS;
}

CUptiResult CUPTIAPI cuptiActivityGetNextRecord(uint8_t* buffer, size_t valid, CUpti_Activity** record) {
  uint8_t* next = *record == nullptr ? buffer : reinterpret_cast<uint8_t*>(*record) + size_of(*record);
  if (next >= buffer + valid) return CUPTI_ERROR_MAX_LIMIT_REACHED;
  *record = reinterpret_cast<CUpti_Activity*>(next);
  return CUPTI_SUCCESS;
}

CUptiResult CUPTIAPI cuptiActivityGetNumDroppedRecords(CUcontext, uint32_t, size_t* count) {
  *count = dropped;
  dropped = 0;
  return CUPTI_SUCCESS;
}

CUptiResult CUPTIAPI cuptiGetCallbackName(CUpti_CallbackDomain domain, uint32_t function, const char** name) {
  if (function == 999) return CUPTI_ERROR_INVALID_PARAMETER;
  *name = domain == CUPTI_CB_DOMAIN_RUNTIME_API ? "cudaLaunchKernel_v7000" : "cuLaunchKernel_ptsz";
  return CUPTI_SUCCESS;
}

CUptiResult CUPTIAPI cuptiSetThreadIdType(int type) {
  thread_ids = type;
  return CUPTI_SUCCESS;
}

CUptiResult CUPTIAPI cuptiGetResultString(CUptiResult, const char** text) {
  *text = "invented";
  return CUPTI_SUCCESS;
}

}  // extern "C"
