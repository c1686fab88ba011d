// The CPU backend as the subject. Three threads, so that shares are uneven and more than the cores of a small machine.
#include "backend/factories.h"
#include "subject.h"

namespace wan {

Subject make_subject() { return {make_cpu_backend(3), {}}; }

}  // namespace wan
