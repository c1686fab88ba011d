// What servers that are put under load answer, through the adapter of each kind.
#include "base/error.h"
#include "load/adapter.h"
#include "targets.h"

namespace wan::fuzz {
namespace {

constexpr const char* kWorkflow = R"({"3": {"class_type": "KSampler", "inputs": {"seed": "{seed}"}}})";

void read_answer(const load::Adapter& adapter, const std::string& text) {
  adapter.refusal({400, text, "", false});
  adapter.message(text);
  if (const auto watts = adapter.watts(text)) check(*watts >= 0, "a card takes no less than nothing");
  adapter.facts(text);
  const load::JobHandle job = adapter.taken_in(text);
  for (const char c : job.id + adapter.look(job).path)
    check(c > ' ' && c < '\x7f' && c != '?' && c != '#', "what a server calls a job cannot leave a path");
  const load::JobView view = adapter.view(job, text);
  check(!view.told.inference_s || *view.told.inference_s >= 0, "nothing takes less than no time");
}

}  // namespace

void server_answers(Bytes input) {
  const std::string text(text_of(input));
  bool is_read = false;
  for (const std::string& name : load::adapter_names()) {
    try {
      read_answer(*load::make_adapter(name, {kWorkflow}), text);
      is_read = true;
    } catch (const Error& problem) {
      check(problem.kind() == ErrorKind::kInput, "what a server says is input");
    }
  }
  if (!is_read) throw Error(ErrorKind::kInput, "no adapter understands it");
}

}  // namespace wan::fuzz
