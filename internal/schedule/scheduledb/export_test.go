package scheduledb

// OfBatchesSQL is a statement whose plan is tested.
const OfBatchesSQL = ofBatchesSQL
