// What logs, reports and facts call the processes that write to the volumes of a snapshot. No pair of scripts can have this name.
export const writersName = 'the writers of the volumes';
