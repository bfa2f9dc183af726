update unit set untold = false where source = $source and untold;
