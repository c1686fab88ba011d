// A libdcgm with a host engine of two invented GPUs. What it counted and where it fails is the test's to say; sizes and
// version words are those of the public headers, written out, so that a wrong declaration is refused as there.
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "measure/dcgm_library.h"

using namespace wan::measure;

static_assert(sizeof(DcgmConnectParameters) == 16 && sizeof(DcgmEntity) == 8);
static_assert(sizeof(DcgmFieldValue) == 4120 && offsetof(DcgmFieldValue, at_us) == 16);
static_assert(offsetof(DcgmFieldValue, status) == 8 && offsetof(DcgmFieldValue, content) == 24);
static_assert(sizeof(DcgmEntityValue) == 4128 && offsetof(DcgmEntityValue, at_us) == 24);
static_assert(offsetof(DcgmEntityValue, status) == 16 && offsetof(DcgmEntityValue, content) == 32);

namespace {

constexpr int kBadParameter = -1, kVersionMismatch = -12;
constexpr DcgmHandle kConnection = 0x11, kGroup = 0x22, kFields = 0x33;

std::string failing;  // the function that fails, and how
int failure = kDcgmOk;
int initialized = 0, connections = 0, groups = 0, field_groups = 0, watches = 0;
std::vector<unsigned int> watched_gpus;
std::vector<DcgmFieldValue> counted;

int answer(const char* function, bool good = true) {
  if (failing == function) return failure;
  return good ? kDcgmOk : kBadParameter;
}

int answer(const char* function, bool good, int& open, int change) {
  const int result = answer(function, good);
  if (result == kDcgmOk) open += change;
  return result;
}

}  // namespace

extern "C" {

/// For the test: what fails from now on. Forgets what was counted.
void fake_dcgm(const char* function, int result) {
  failing = function;
  failure = result;
  counted.clear();
  watched_gpus.clear();
}
void fake_dcgm_count(uint16_t field, int64_t at_us, double share, int status) {
  DcgmFieldValue value{};
  value.field = field;
  value.type = 'd';
  value.status = status;
  value.at_us = at_us;
  value.content.real = share;
  counted.push_back(value);
}
int fake_dcgm_open() { return initialized + connections + groups + field_groups + watches; }
int fake_dcgm_watches() { return watches; }

const char* errorString(int) { return "INVENTED"; }
int dcgmInit() { return answer("init", true, initialized, 1); }
int dcgmShutdown() { return answer("shutdown", true, initialized, -1); }
int dcgmConnect_v2(const char* address, DcgmConnectParameters* parameters, DcgmHandle* connection) {
  if (parameters->version != 0x2000010) return kVersionMismatch;
  *connection = kConnection;
  const bool local = std::strcmp(address, "127.0.0.1") == 0 && parameters->address_is_socket == 0;
  return answer("connect", local && parameters->keep_after_disconnect == 0, connections, 1);
}
int dcgmDisconnect(DcgmHandle connection) { return answer("disconnect", connection == kConnection, connections, -1); }
int dcgmGetAllDevices(DcgmHandle connection, unsigned int* ids, int* count) {
  ids[0] = 4;
  ids[1] = 7;
  *count = 2;
  return answer("devices", connection == kConnection);
}
int dcgmEntitiesGetLatestValues(DcgmHandle, DcgmEntity* entity, unsigned int entities, uint16_t* field,
                                unsigned int fields, unsigned int flags, DcgmEntityValue* value) {
  std::strcpy(value->content.text, entity->id == 4 ? "GPU-other" : "GPU-paper");
  return answer("uuid", entities == 1 && fields == 1 && *field == 54 && flags == 1 && entity->kind == 1);
}
int dcgmGroupCreate(DcgmHandle connection, int type, const char*, DcgmHandle* group) {
  *group = kGroup;
  return answer("group", connection == kConnection && type == 1, groups, 1);
}
int dcgmGroupAddDevice(DcgmHandle, DcgmHandle group, unsigned int gpu) {
  watched_gpus.push_back(gpu);
  return answer("add", group == kGroup);
}
int dcgmGroupDestroy(DcgmHandle, DcgmHandle group) { return answer("destroy", group == kGroup, groups, -1); }
int dcgmFieldGroupCreate(DcgmHandle, int count, const uint16_t* ids, const char*, DcgmHandle* fields) {
  *fields = kFields;
  return answer("fields", count == 3 && ids[0] == 1002 && ids[1] == 1004 && ids[2] == 1005, field_groups, 1);
}
int dcgmFieldGroupDestroy(DcgmHandle, DcgmHandle fields) {
  return answer("destroy", fields == kFields, field_groups, -1);
}
int dcgmWatchFields(DcgmHandle, DcgmHandle group, DcgmHandle fields, long long period_us, double, int) {
  const bool good = group == kGroup && fields == kFields && period_us == 100'000;
  return answer("watch", good && watched_gpus == std::vector<unsigned int>{7}, watches, 1);
}
int dcgmUnwatchFields(DcgmHandle, DcgmHandle group, DcgmHandle fields) {
  return answer("unwatch", group == kGroup && fields == kFields, watches, -1);
}
int dcgmGetValuesSince(DcgmHandle, DcgmHandle group, DcgmHandle fields, long long since_us, long long* next_since_us,
                       DcgmOnValues* on_values, void* user) {
  *next_since_us = since_us;
  for (DcgmFieldValue value : counted) {
    if (value.at_us < since_us) continue;
    on_values(7, &value, 1, user);
    if (*next_since_us <= value.at_us) *next_since_us = value.at_us + 1;
  }
  return answer("values", group == kGroup && fields == kFields);
}

}  // extern "C"
