// Loaded by NVTX v3 into a program that is measured (NVTX_INJECTION64_PATH): says each closed range over the pipe of
// the watching process, as the line `range` of src/suite/protocol.h.
//
// It runs inside other people's programs: nothing throws, no lock is taken, names are bounded, and when anything is
// amiss it stays silent. It is the one place outside src/cli that reads the environment: an injected library has no
// command line, and the variable is set by our own parent process.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <nvtx3/nvToolsExt.h>

namespace {

constexpr const char* kPipeVariable = "WANBENCH_RANGE_PIPE";  // also in src/suite/range_stages.h
constexpr size_t kNameBytes = 128;                            // with the closing zero; longer names are cut
constexpr int kDeepest = 16;                                  // of one thread; deeper ranges are not said
constexpr int kMostNested = 20000;                            // lines of one process that are not outermost ranges
constexpr uint64_t kOpenRanges = 512;                         // started and not yet ended, of one process

using Name = char[kNameBytes];

std::atomic<int> pipe_descriptor{-1};
std::atomic<int> nested_left{kMostNested};
struct stat pipe_identity;

int64_t now_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// Length of the valid UTF-8 sequence at `text`, 0 when there is none (RFC 3629). Stops at the closing zero by itself.
size_t utf8_length(const unsigned char* text) {
  const unsigned char first = text[0];
  const size_t length = first < 0x80   ? 1
                        : first < 0xC2 ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  for (size_t i = 1; i < length; ++i)
    if ((text[i] & 0xC0) != 0x80) return 0;
  if ((first == 0xE0 && text[1] < 0xA0) || (first == 0xED && text[1] > 0x9F)) return 0;
  if ((first == 0xF0 && text[1] < 0x90) || (first == 0xF4 && text[1] > 0x8F)) return 0;
  return length;
}

/// Writes `name` as the inside of a JSON string; `out` has room for six bytes a byte. Returns the end.
char* escaped(const char* name, char* out) {
  constexpr char kHex[] = "0123456789abcdef";
  const auto* text = reinterpret_cast<const unsigned char*>(name);
  while (*text != 0) {
    const size_t length = utf8_length(text);
    if (*text < 0x20 || *text == '"' || *text == '\\') {
      const char code[] = {'\\', 'u', '0', '0', kHex[*text >> 4], kHex[*text & 15]};
      out = std::copy(code, code + sizeof code, out);
    } else if (length == 0) {
      *out++ = '?';
    } else {
      out = std::copy(text, text + length, out);
    }
    text += std::max<size_t>(length, 1);
  }
  return out;
}

void keep_name(Name& name, const char* text) {
  if (text == nullptr || *text == 0) text = "unnamed";
  size_t length = ::strnlen(text, kNameBytes - 1);
  if (text[length] != 0)
    while (length > 0 && (text[length] & 0xC0) == 0x80) --length;  // not in the middle of a character
  std::memcpy(name, text, length);
  name[length] = 0;
}

void keep_name(Name& name, const wchar_t* text) {
  size_t length = 0;
  constexpr size_t kLongestCharacter = 4;
  for (; text != nullptr && *text != 0 && length + kLongestCharacter < kNameBytes; ++text) {
    const auto code = static_cast<uint32_t>(*text);
    const int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    constexpr unsigned char kFirst[] = {0x00, 0xC0, 0xE0, 0xF0};
    name[length++] = static_cast<char>(kFirst[more] | (code >> (6 * more)));
    for (int i = more - 1; i >= 0; --i) name[length++] = static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F));
  }
  name[length] = 0;
  if (length == 0) keep_name(name, "unnamed");
}

void keep_name(Name& name, const nvtxEventAttributes_t* event) {
  if (event == nullptr) return keep_name(name, "");
  switch (event->messageType) {
    case NVTX_MESSAGE_TYPE_ASCII: return keep_name(name, event->message.ascii);
    case NVTX_MESSAGE_TYPE_UNICODE: return keep_name(name, event->message.unicode);
    case NVTX_MESSAGE_TYPE_REGISTERED: return keep_name(name, reinterpret_cast<const char*>(event->message.registered));
    default: return keep_name(name, "");
  }
}

/// The program may have closed our descriptor and opened something of its own under the number.
bool is_our_pipe(int descriptor) {
  struct stat now {};
  return descriptor >= 0 && ::fstat(descriptor, &now) == 0 && now.st_dev == pipe_identity.st_dev &&
         now.st_ino == pipe_identity.st_ino;
}

/// One write, below PIPE_BUF: lines of several threads and processes do not mix. A watching process that has gone must
/// not end the program, so SIGPIPE is held back and taken.
void write_line(const char* line, size_t size) {
  const int descriptor = pipe_descriptor.load();
  if (!is_our_pipe(descriptor)) return pipe_descriptor.store(-1);
  sigset_t pipe_signal, before, pending;
  ::sigemptyset(&pipe_signal);
  ::sigaddset(&pipe_signal, SIGPIPE);
  ::sigpending(&pending);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  ssize_t written = -1;
  do written = ::write(descriptor, line, size);
  while (written < 0 && errno == EINTR);
  if (written < 0) {
    pipe_descriptor.store(-1);
    const timespec at_once{};
    if (errno == EPIPE && ::sigismember(&pending, SIGPIPE) == 0) ::sigtimedwait(&pipe_signal, nullptr, &at_once);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void say(const char* name, int64_t begin_ns, int64_t end_ns, int depth) {
  if (pipe_descriptor.load() < 0 || (depth > 0 && nested_left.fetch_sub(1) <= 0)) return;
  const int error_of_the_program = errno;
  char line[256 + 6 * kNameBytes];
  char* end = line + std::snprintf(line, 256,
                                   R"({"type":"range","thread":%ld,"depth":%d,"begin_ns":%lld,"end_ns":%lld,"name":")",
                                   ::syscall(SYS_gettid), depth, static_cast<long long>(begin_ns),
                                   static_cast<long long>(end_ns));
  end = escaped(name, end);
  constexpr char kEnd[] = {'"', '}', '\n'};
  end = std::copy(kEnd, kEnd + sizeof kEnd, end);
  write_line(line, static_cast<size_t>(end - line));
  errno = error_of_the_program;
}

struct Open {
  const void* domain;
  int64_t begin_ns;
  Name name;
};

/// Ranges pushed by one thread, of all domains in the order they came.
struct Stack {
  int depth;
  Open open[kDeepest];
};
thread_local Stack stack;

template <typename Text>
int push(const void* domain, Text text) {
  const int level = stack.depth++;
  if (level < kDeepest) {
    stack.open[level].domain = domain;
    keep_name(stack.open[level].name, text);
    stack.open[level].begin_ns = now_ns();
  }
  return level;
}

int pop(const void* domain) {
  const int64_t end_ns = now_ns();
  if (stack.depth > kDeepest) return --stack.depth;
  int level = stack.depth - 1;
  while (level >= 0 && stack.open[level].domain != domain) --level;
  if (level < 0) return NVTX_NO_PUSH_POP_TRACKING;
  say(stack.open[level].name, stack.open[level].begin_ns, end_ns, level);
  std::copy(stack.open + level + 1, stack.open + stack.depth, stack.open + level);
  --stack.depth;
  return level;
}

template <typename Text>
void mark(Text text) {
  Name name;
  keep_name(name, text);
  const int64_t at_ns = now_ns();
  say(name, at_ns, at_ns, stack.depth);
}

/// A range that any thread may end. `id` is 0 while the slot is free, kFilling while it is written.
struct Started {
  std::atomic<uint64_t> id;
  int64_t begin_ns;
  Name name;
};
constexpr uint64_t kFilling = ~uint64_t{0};
Started started[kOpenRanges];
std::atomic<uint64_t> next_id{1};

template <typename Text>
nvtxRangeId_t start(Text text) {
  const uint64_t id = next_id.fetch_add(1);
  Started& slot = started[id % kOpenRanges];
  uint64_t free_slot = 0;
  if (!slot.id.compare_exchange_strong(free_slot, kFilling)) return id;  // too many are open: this one is not said
  keep_name(slot.name, text);
  slot.begin_ns = now_ns();
  slot.id.store(id);
  return id;
}

void end(nvtxRangeId_t id) {
  const int64_t end_ns = now_ns();
  Started& slot = started[id % kOpenRanges];
  uint64_t expected = id;
  if (id == 0 || !slot.id.compare_exchange_strong(expected, kFilling)) return;
  say(slot.name, slot.begin_ns, end_ns, stack.depth);
  slot.id.store(0);
}

/// Kept to the program's end: a registered string has no time to live in NVTX.
template <typename Handle, typename Text>
Handle registered(Text text) {
  Name name;
  keep_name(name, text);
  return reinterpret_cast<Handle>(::strdup(name));
}

void NVTX_API mark_event(const nvtxEventAttributes_t* event) { mark(event); }
void NVTX_API mark_text(const char* text) { mark(text); }
void NVTX_API mark_wide(const wchar_t* text) { mark(text); }
int NVTX_API push_event(const nvtxEventAttributes_t* event) { return push(nullptr, event); }
int NVTX_API push_text(const char* text) { return push(nullptr, text); }
int NVTX_API push_wide(const wchar_t* text) { return push(nullptr, text); }
int NVTX_API pop_last() { return pop(nullptr); }
nvtxRangeId_t NVTX_API start_event(const nvtxEventAttributes_t* event) { return start(event); }
nvtxRangeId_t NVTX_API start_text(const char* text) { return start(text); }
nvtxRangeId_t NVTX_API start_wide(const wchar_t* text) { return start(text); }
void NVTX_API end_range(nvtxRangeId_t id) { end(id); }

void NVTX_API domain_mark(nvtxDomainHandle_t, const nvtxEventAttributes_t* event) { mark(event); }
int NVTX_API domain_push(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* event) { return push(domain, event); }
int NVTX_API domain_pop(nvtxDomainHandle_t domain) { return pop(domain); }
nvtxRangeId_t NVTX_API domain_start(nvtxDomainHandle_t, const nvtxEventAttributes_t* event) { return start(event); }
void NVTX_API domain_end(nvtxDomainHandle_t, nvtxRangeId_t id) { end(id); }
nvtxDomainHandle_t NVTX_API domain_create(const char* text) { return registered<nvtxDomainHandle_t>(text); }
nvtxDomainHandle_t NVTX_API domain_create_wide(const wchar_t* text) { return registered<nvtxDomainHandle_t>(text); }
nvtxStringHandle_t NVTX_API register_text(nvtxDomainHandle_t, const char* text) {
  return registered<nvtxStringHandle_t>(text);
}
nvtxStringHandle_t NVTX_API register_wide(nvtxDomainHandle_t, const wchar_t* text) {
  return registered<nvtxStringHandle_t>(text);
}

/// The functions that NVTX calls instead of its own, of one of its modules.
class Module {
 public:
  Module(const NvtxExportTableCallbacks* table, NvtxCallbackModule module) {
    if (table->GetModuleFunctionTable(module, &functions_, &size_) == 0) size_ = 0;
  }
  template <typename Function>
  void set(unsigned id, Function* function) {
    if (id < size_ && functions_[id] != nullptr) *functions_[id] = reinterpret_cast<NvtxFunctionPointer>(function);
  }

 private:
  NvtxFunctionTable functions_ = nullptr;
  unsigned size_ = 0;
};

void install(const NvtxExportTableCallbacks* table) {
  Module core(table, NVTX_CB_MODULE_CORE);
  core.set(NVTX_CBID_CORE_MarkEx, mark_event);
  core.set(NVTX_CBID_CORE_MarkA, mark_text);
  core.set(NVTX_CBID_CORE_MarkW, mark_wide);
  core.set(NVTX_CBID_CORE_RangeStartEx, start_event);
  core.set(NVTX_CBID_CORE_RangeStartA, start_text);
  core.set(NVTX_CBID_CORE_RangeStartW, start_wide);
  core.set(NVTX_CBID_CORE_RangeEnd, end_range);
  core.set(NVTX_CBID_CORE_RangePushEx, push_event);
  core.set(NVTX_CBID_CORE_RangePushA, push_text);
  core.set(NVTX_CBID_CORE_RangePushW, push_wide);
  core.set(NVTX_CBID_CORE_RangePop, pop_last);
  Module domains(table, NVTX_CB_MODULE_CORE2);
  domains.set(NVTX_CBID_CORE2_DomainMarkEx, domain_mark);
  domains.set(NVTX_CBID_CORE2_DomainRangeStartEx, domain_start);
  domains.set(NVTX_CBID_CORE2_DomainRangeEnd, domain_end);
  domains.set(NVTX_CBID_CORE2_DomainRangePushEx, domain_push);
  domains.set(NVTX_CBID_CORE2_DomainRangePop, domain_pop);
  domains.set(NVTX_CBID_CORE2_DomainCreateA, domain_create);
  domains.set(NVTX_CBID_CORE2_DomainCreateW, domain_create_wide);
  domains.set(NVTX_CBID_CORE2_DomainRegisterStringA, register_text);
  domains.set(NVTX_CBID_CORE2_DomainRegisterStringW, register_wide);
}

/// A duplicate under a high number, out of the way of programs that close or reuse the low ones.
bool open_pipe() {
  const char* text = ::getenv(kPipeVariable);
  if (text == nullptr) return false;
  const int given = std::atoi(text);
  if (given <= STDERR_FILENO || ::fstat(given, &pipe_identity) != 0 || !S_ISFIFO(pipe_identity.st_mode)) return false;
  constexpr int kHigh = 200;
  pipe_descriptor.store(::fcntl(given, F_DUPFD_CLOEXEC, kHigh));
  return pipe_descriptor.load() >= 0;
}

}  // namespace

/// NVTX calls this once, before the program's first range; 0 tells it to go on without a tool.
extern "C" __attribute__((visibility("default"))) int InitializeInjectionNvtx2(NvtxGetExportTableFunc_t export_table) {
  if (export_table == nullptr) return 0;
  const auto* table = static_cast<const NvtxExportTableCallbacks*>(export_table(NVTX_ETID_CALLBACKS));
  if (table == nullptr || table->struct_size < sizeof(NvtxExportTableCallbacks) || !open_pipe()) return 0;
  install(table);
  return 1;
}
