// report.html: one self-contained page about a run, readable in light and dark, without scripts.
#ifndef TIDEWAY_TRAINER_REPORT_H_
#define TIDEWAY_TRAINER_REPORT_H_

#include <string>

#include "trainer/run_record.h"

namespace tideway::trainer {

std::string RenderReport(const RunRecord& record);

}  // namespace tideway::trainer

#endif  // TIDEWAY_TRAINER_REPORT_H_
