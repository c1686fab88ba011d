// A program that knows nothing of wanbench: NVTX ranges of every kind, and one line of log.
#include <nvtx3/nvToolsExt.h>

#include <cstdio>

int main() {
  std::puts("working");
  std::fflush(stdout);
  nvtxRangePushA("load \"weights\"\n");
  nvtxRangePop();
  nvtxRangePop();  // one too many: programs do this

  const nvtxDomainHandle_t domain = nvtxDomainCreateA("a library");
  nvtxEventAttributes_t event{};
  event.version = NVTX_VERSION;
  event.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  event.messageType = NVTX_MESSAGE_TYPE_REGISTERED;
  event.message.registered = nvtxDomainRegisterStringA(domain, "domain range");

  nvtxRangePushW(L"step \u00e9");
  nvtxRangePushA("attention");
  nvtxRangePop();
  nvtxDomainRangePushEx(domain, &event);
  nvtxDomainRangePop(domain);
  nvtxRangePop();
  nvtxRangePushW(L"step \u00e9");
  nvtxRangePop();

  const nvtxRangeId_t id = nvtxRangeStartA("started");
  nvtxMarkA("mark");
  nvtxRangeEnd(id);
  return 0;
}
