#include "pipeline/prompt_cache.h"

#include <algorithm>
#include <iterator>
#include <span>

namespace wan {
namespace {

Tensor copy_of(TensorView rows) {
  return host_tensor(std::span(rows.as<float>(), static_cast<size_t>(rows.count())), rows.shape);
}

}  // namespace

std::list<PromptCache::Entry>::iterator PromptCache::entry_of(const PromptKey& key) {
  return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
}

void PromptCache::drop(std::list<Entry>::iterator entry) {
  bytes_ -= entry->bytes();
  entries_.erase(entry);
}

Tensor PromptCache::find(const PromptKey& key) {
  const auto found = entry_of(key);
  if (found == entries_.end()) return {};
  entries_.splice(entries_.begin(), entries_, found);
  return copy_of(found->rows);
}

void PromptCache::keep(const PromptKey& key, TensorView rows) {
  if (const auto old = entry_of(key); old != entries_.end()) drop(old);
  entries_.push_front({key, copy_of(rows)});
  bytes_ += entries_.front().bytes();
  while (prompts() > most_prompts_ || bytes_ > most_bytes_) drop(std::prev(entries_.end()));
}

}  // namespace wan
