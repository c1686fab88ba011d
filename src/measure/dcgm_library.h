// What is used of libdcgm, NVIDIA's Data Center GPU Manager, found at run time. Its headers are hardly ever installed,
// so the layouts and numbers are declared here, as the public headers of versions 3.0 to 4.6 have them: all agree.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace wan::measure {

/// DCGM tells versions of a structure by its size and a number.
template <class Structure>
constexpr uint32_t dcgm_version(uint32_t number) {
  return static_cast<uint32_t>(sizeof(Structure)) | number << 24;
}

inline constexpr int kDcgmOk = 0;
inline constexpr int kDcgmMostGpus = 32;
inline constexpr int kDcgmEmptyGroup = 1;
inline constexpr uint32_t kDcgmGpuEntity = 1;
inline constexpr uint32_t kDcgmLiveData = 1;  // asked of the driver, not of the engine's cache
inline constexpr uint16_t kDcgmRealType = 'd';
inline constexpr double kDcgmBlank = 140737488355328.0;  // 2^47; a real from there on says why there is none

// Fields: numbers from dcgm_fields.h.
inline constexpr uint16_t kDcgmUuid = 54;
inline constexpr uint16_t kDcgmSmActive = 1002, kDcgmTensorActive = 1004, kDcgmDramActive = 1005;

struct DcgmConnectParameters {
  uint32_t version = dcgm_version<DcgmConnectParameters>(2);
  uint32_t keep_after_disconnect = 0;
  uint32_t timeout_ms = 0;
  uint32_t address_is_socket = 0;
};

struct DcgmEntity {
  uint32_t kind = 0, id = 0;
};

union DcgmContent {
  int64_t integer;
  double real;
  char text[256];
  char bytes[4096];
};

struct DcgmFieldValue {
  uint32_t version;
  uint16_t field, type;
  int32_t status;
  int64_t at_us;  // since 1970
  DcgmContent content;
};

struct DcgmEntityValue {
  uint32_t version;
  DcgmEntity entity;
  uint16_t field, type;
  int32_t status;
  uint32_t unused;
  int64_t at_us;
  DcgmContent content;
};

using DcgmHandle = uintptr_t;  // of a connection, a group, a group of fields
/// Below 0 ends the enumeration.
using DcgmOnValues = int(unsigned int gpu, DcgmFieldValue* values, int count, void* user);

/// Stays loaded until the process ends: DCGM has threads of its own.
struct DcgmLibrary {
  static constexpr const char* kNames[] = {"libdcgm.so.4", "libdcgm.so.3"};

  /// Takes the first of `names` that the system's loader finds. Never throws: `reason` says what is missing.
  explicit DcgmLibrary(std::span<const char* const> names = kNames);

  std::string reason;  // empty: every function below is there
  int (*initialize)() = nullptr;
  int (*shutdown)() = nullptr;
  const char* (*explain)(int result) = nullptr;
  int (*connect)(const char* address, DcgmConnectParameters*, DcgmHandle* connection) = nullptr;
  int (*disconnect)(DcgmHandle connection) = nullptr;
  int (*all_gpus)(DcgmHandle connection, unsigned int* ids, int* count) = nullptr;
  int (*latest_values)(DcgmHandle connection, DcgmEntity*, unsigned int entities, uint16_t* fields,
                       unsigned int field_count, unsigned int flags, DcgmEntityValue*) = nullptr;
  int (*create_group)(DcgmHandle connection, int type, const char* name, DcgmHandle* group) = nullptr;
  int (*add_gpu)(DcgmHandle connection, DcgmHandle group, unsigned int gpu) = nullptr;
  int (*destroy_group)(DcgmHandle connection, DcgmHandle group) = nullptr;
  int (*create_fields)(DcgmHandle connection, int count, const uint16_t*, const char* name,
                       DcgmHandle* fields) = nullptr;
  int (*destroy_fields)(DcgmHandle connection, DcgmHandle fields) = nullptr;
  int (*watch)(DcgmHandle connection, DcgmHandle group, DcgmHandle fields, long long period_us, double keep_s,
               int keep_samples) = nullptr;
  int (*unwatch)(DcgmHandle connection, DcgmHandle group, DcgmHandle fields) = nullptr;
  int (*values_since)(DcgmHandle connection, DcgmHandle group, DcgmHandle fields, long long since_us,
                      long long* next_since_us, DcgmOnValues*, void* user) = nullptr;
};

}  // namespace wan::measure
